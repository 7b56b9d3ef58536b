import { ArrowDownOutlined, ArrowUpOutlined, PaperClipOutlined, RobotOutlined, TeamOutlined } from "@ant-design/icons";
import { Button, Tag } from "antd";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useRef, type RefObject } from "react";
import { Link } from "react-router";
import { useLiveQueries } from "@/app/live";
import { Empty, Loading, Problem, Time } from "@/kit";
import { DeliveryState } from "./Deliveries";
import { Between } from "./People";
import { fetchPage, type Filters, type Summary } from "./query";
import { useText } from "./texts";

export function useMessages(filters: Filters) {
  useLiveQueries(["message"], ["messages", "list"]);
  return useInfiniteQuery({
    queryKey: ["messages", "list", filters],
    queryFn: ({ pageParam, signal }) => fetchPage(filters, pageParam, signal),
    initialPageParam: "",
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: keepPreviousData,
  });
}

interface Props {
  query: ReturnType<typeof useMessages>;
  filtered: boolean;
  to: (key: string) => string;
  open?: string;
  list: RefObject<HTMLUListElement | null>;
}

export function MessageList({ query, filtered, to, open, list }: Props) {
  const t = useText();
  const rows = query.data?.pages.flatMap((p) => p.items) ?? [];
  const again = () => void query.refetch();
  if (query.data === undefined) return query.error ? <Problem error={query.error} again={again} style={{ margin: 12 }} /> : <Loading lines={12} />;
  if (!rows.length && !query.hasNextPage) {
    return filtered ? (
      <Empty title={t("nothingFound")}>{t("nothingFoundHint")}</Empty>
    ) : (
      <Empty title={t("none")} action={<Link to="/where">{t("noneAction")}</Link>}>
        {t("noneHint")}
      </Empty>
    );
  }
  return (
    <div style={{ opacity: query.isPlaceholderData ? 0.55 : 1 }} aria-busy={query.isPlaceholderData}>
      {query.error && <Problem error={query.error} again={again} style={{ margin: 12 }} />}
      <ul className="mail-list" ref={list} aria-label={t("title")}>
        {rows.map((m) => (
          <li key={m.key}>
            <Row m={m} to={to(m.key)} open={m.key === open} />
          </li>
        ))}
      </ul>
      <Further query={query} n={rows.length} />
    </div>
  );
}

/** Loads the next page when its end comes into view; the button is for who has no scroll wheel. */
function Further({ query, n }: { query: Props["query"]; n: number }) {
  const t = useText();
  const end = useRef<HTMLDivElement>(null);
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = query;
  useEffect(() => {
    if (!end.current || !hasNextPage || isFetchingNextPage || isFetchNextPageError) return;
    const seen = new IntersectionObserver((e) => e.some((x) => x.isIntersecting) && void fetchNextPage(), { rootMargin: "600px" });
    seen.observe(end.current);
    return () => seen.disconnect();
  }, [hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage, n]);
  return (
    <div className="mail-end" ref={end}>
      <span role="status" className="muted small">
        {hasNextPage ? t("soFar", { n }) : t("all", { n })}
      </span>
      {hasNextPage && (
        <Button size="small" onClick={() => void fetchNextPage()} loading={isFetchingNextPage}>
          {t("moreMails")}
        </Button>
      )}
    </div>
  );
}

const arrows = { inbound: ArrowDownOutlined, outbound: ArrowUpOutlined, internal: TeamOutlined };
const loud = new Set(["failed", "withdrawing", "pending"]);

function Row({ m, to, open }: { m: Summary; to: string; open: boolean }) {
  const t = useText();
  const Arrow = arrows[m.direction];
  const states = (m.deliveries ?? []).filter((d) => loud.has(d.state));
  const count = m.attachment_count ?? m.attachments.length;
  return (
    <Link className="mail-row" to={to} aria-current={open ? "true" : undefined} data-key={m.key}>
      <span className="mail-arrow" data-direction={m.direction} title={t(`direction.${m.direction}`)}>
        <Arrow aria-hidden />
        <span className="unseen">{t(`direction.${m.direction}`)}</span>
      </span>
      <span className="mail-who cut">
        <Between people={m.people} direction={m.direction} />
      </span>
      <span className="mail-when muted small">
        <Time at={m.sent_at} plain />
      </span>
      <span className="mail-subject cut">
        <bdi>{m.subject || t("noSubject")}</bdi>
      </span>
      <span className="mail-marks muted">
        {m.flags?.automated && <RobotOutlined aria-label={t("flag.automated")} title={t("flag.automated")} />}
        {count > 0 && (
          <span title={m.attachments.join("\n")}>
            <PaperClipOutlined aria-hidden />
            <span className="unseen">{t("attachments", { n: count })}</span>
            {count > 1 && <span aria-hidden> {count}</span>}
          </span>
        )}
      </span>
      <span className="mail-preview cut muted">
        <bdi>{m.flags?.withdrawn ? t("flag.withdrawn") : m.preview}</bdi>
      </span>
      {(states.length > 0 || (m.tags?.length ?? 0) > 0 || m.flags?.unconfirmed) && (
        <span className="mail-states">
          {states.map((d) => (
            <DeliveryState key={d.target} d={d} />
          ))}
          {m.flags?.unconfirmed && <span className="state" data-tone="warn">{t("flag.unconfirmed")}</span>}
          {m.tags?.slice(0, 4).map((tag) => (
            <Tag key={tag}>
              <bdi>{tag}</bdi>
            </Tag>
          ))}
        </span>
      )}
    </Link>
  );
}
