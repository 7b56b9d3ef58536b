// All mail with a customer over all colleagues, the newest first: by day, and within a day by conversation.
import { ArrowDownOutlined, ArrowUpOutlined, PaperClipOutlined, SearchOutlined, TeamOutlined } from "@ant-design/icons";
import { Button, Input, Segmented, Select } from "antd";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Empty, Loading, Panel, Problem, useFilters, useTyped } from "@/kit";
import { locale } from "@/lang";
import { DeliveryState } from "@/pages/messages/Deliveries";
import { byDay, type Conversation, type Summary } from "./days";
import { useText } from "./texts";

const first = { q: "", account: "", direction: "" };

export function Timeline({ customer }: { customer: Schemas["mail"]["CustomerDetail"] }) {
  const t = useText();
  const may = useMay();
  const [f, set] = useFilters(first);
  const [q, setQ] = useTyped(f.q, (v) => set({ q: v }));
  const { id } = customer;
  const query = useInfiniteQuery({
    queryKey: ["customers", "timeline", id, f],
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET("/api/v1/customers/{id}/timeline", {
          params: { path: { id }, query: { q: f.q.trim() || undefined, account: f.account || undefined, direction: (f.direction || undefined) as Summary["direction"] | undefined, limit: 50, cursor: pageParam || undefined } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: keepPreviousData,
    enabled: may("mail.read"),
  });
  if (!may("mail.read")) return <Panel title={t("timeline")}><p className="muted">{t("noMailRight")}</p></Panel>;
  const rows = query.data?.pages.flatMap((p) => p.items) ?? [];
  const filtered = Boolean(f.q || f.account || f.direction);
  return (
    <Panel title={t("timeline")} flush>
      <div className="timeline-bar">
        <Input type="search" prefix={<SearchOutlined aria-hidden />} value={q} onChange={(e) => setQ(e.target.value)} placeholder={t("searchMail")} aria-label={t("searchMail")} maxLength={500} />
        <Segmented
          aria-label={t("direction")}
          value={f.direction}
          onChange={(direction) => set({ direction })}
          options={[
            { value: "", label: t("all") },
            { value: "inbound", label: t("direction.inbound") },
            { value: "outbound", label: t("direction.outbound") },
          ]}
        />
        {customer.colleagues.length > 1 && (
          <Select
            aria-label={t("colleague")}
            value={f.account}
            onChange={(account: string) => set({ account })}
            style={{ minWidth: 180 }}
            options={[{ value: "", label: t("allColleagues") }, ...customer.colleagues.map((c) => ({ value: c.account, label: c.account }))]}
          />
        )}
      </div>
      {query.data === undefined ? (
        query.error ? <Problem error={query.error} again={() => void query.refetch()} /> : <Loading lines={8} />
      ) : !rows.length && !query.hasNextPage ? (
        <Empty title={filtered ? t("nothingFound") : t("noMail")}>{filtered ? t("nothingFoundHint") : t("noMailHint")}</Empty>
      ) : (
        <div className="timeline" style={{ opacity: query.isPlaceholderData ? 0.55 : 1 }} aria-busy={query.isPlaceholderData}>
          {query.error && <Problem error={query.error} again={() => void query.refetch()} />}
          {byDay(rows).map((d) => (
            <section key={d.day}>
              <h3>{new Intl.DateTimeFormat(locale(t.lang), { dateStyle: "full" }).format(d.at)}</h3>
              {d.conversations.map((c) => (
                <Thread key={c.thread} c={c} customer={id} />
              ))}
            </section>
          ))}
          {query.hasNextPage && (
            <Button onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
              {t("older")}
            </Button>
          )}
        </div>
      )}
    </Panel>
  );
}

const arrows = { inbound: ArrowDownOutlined, outbound: ArrowUpOutlined, internal: TeamOutlined };

function Thread({ c, customer }: { c: Conversation; customer: string }) {
  const t = useText();
  return (
    <article className="timeline-thread">
      {c.items.map((m, i) => {
        const Arrow = arrows[m.direction];
        const from = m.people.find((p) => p.role === "from");
        const files = m.attachment_count ?? m.attachments.length;
        return (
          <Link key={m.key} className="timeline-mail" to={`/messages/${encodeURIComponent(m.key)}?customer=${encodeURIComponent(customer)}`}>
            <span className="mail-arrow" data-direction={m.direction}>
              <Arrow aria-hidden />
              <span className="unseen">{t(`direction.${m.direction}`)}</span>
            </span>
            <span className="grow">
              {i === 0 && (
                <span className="timeline-subject">
                  <bdi>{m.subject || t("noSubject")}</bdi>
                </span>
              )}
              <span className="small">
                <bdi>{from?.name || from?.address || t("noSender")}</bdi>
                <span className="muted"> · {t("with", { list: m.accounts.join(t.lang === "zh" ? "、" : ", ") })}</span>
                {files > 0 && (
                  <span className="muted">
                    {" "}
                    · <PaperClipOutlined aria-hidden /> {t("files", { n: files })}
                  </span>
                )}
              </span>
              <span className="timeline-preview muted">
                <bdi>{m.preview}</bdi>
              </span>
              {m.deliveries?.some((d) => d.state === "failed") && <DeliveryState d={m.deliveries.find((d) => d.state === "failed")!} />}
            </span>
            <time className="muted small nowrap" dateTime={m.sent_at}>
              {new Intl.DateTimeFormat(locale(t.lang), { timeStyle: "short", hour12: false }).format(new Date(m.sent_at))}
            </time>
          </Link>
        );
      })}
    </article>
  );
}
