// The list of messages with a pane to read them in; on a phone, one or the other.
import type { InputRef } from "antd";
import { useLayoutEffect, useRef } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { Empty, Head, useFilters, useNarrow } from "@/kit";
import { Filters } from "./Filters";
import { MessageList, useMessages } from "./MessageList";
import { noFilters } from "./query";
import { Reading } from "./Reading";
import { useText } from "./texts";
import { useKeys } from "./useKeys";
import "./mail.css";

export default function Messages() {
  const t = useText();
  const narrow = useNarrow();
  const go = useNavigate();
  const { key } = useParams();
  const [params] = useSearchParams();
  const [filters, set] = useFilters(noFilters);
  const query = useMessages(filters);
  const list = useRef<HTMLUListElement>(null);
  const search = useRef<InputRef>(null);
  const rest = params.size ? `?${params}` : "";
  const to = (k: string) => `/messages/${encodeURIComponent(k)}${rest}`;
  const back = `/messages${rest}`;

  // On a phone the list is hidden while a mail is read; it is then where it was.
  const place = useRef(0);
  const hidden = narrow && Boolean(key);
  useLayoutEffect(() => {
    if (!narrow || hidden) return;
    window.scrollTo(0, place.current);
    const keep = () => (place.current = window.scrollY);
    window.addEventListener("scroll", keep, { passive: true });
    return () => window.removeEventListener("scroll", keep);
  }, [narrow, hidden]);

  useKeys({
    list,
    open: key,
    show: (k) => void go(to(k), { replace: Boolean(key) }),
    close: () => key && void go(back),
    search: () => search.current?.focus(),
  });

  return (
    <div className="mailbox" data-open={Boolean(key)}>
      <div className="mailbox-list" hidden={hidden}>
        <Head title={t("title")} />
        <section className="panel" aria-label={t("list")}>
          <Filters filters={filters} set={set} search={search} />
          <div className="mailbox-rows">
            <MessageList query={query} filtered={params.size > 0} to={to} open={key} list={list} />
          </div>
        </section>
      </div>
      {key ? (
        <Reading key={key} messageKey={key} back={back} />
      ) : (
        !narrow && (
          <div className="reading reading-none panel">
            <Empty title={t("choose")}>{t.rich("chooseHint", { j: <kbd>j</kbd>, k: <kbd>k</kbd>, enter: <kbd>Enter</kbd>, esc: <kbd>Esc</kbd>, slash: <kbd>/</kbd> })}</Empty>
          </div>
        )
      )}
    </div>
  );
}
