import { ArrowLeftOutlined, CloseOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "react-router";
import { Async, useNarrow } from "@/kit";
import { Conversation } from "./Conversation";
import { Letter } from "./Letter";
import { messageQuery } from "./query";
import { useText } from "./texts";

/** The pane beside the list: a mail within its conversation. back: the list without it. */
export function Reading({ messageKey, back }: { messageKey: string; back: string }) {
  const t = useText();
  const narrow = useNarrow();
  const query = useQuery(messageQuery(messageKey));
  useEffect(() => {
    if (narrow) window.scrollTo(0, 0);
  }, [messageKey, narrow]);
  return (
    <section className="reading panel" aria-label={t("reading")}>
      {narrow && (
        <>
          <h1 className="unseen">{t("title")}</h1>
          <Link className="back" to={back}>
            <ArrowLeftOutlined aria-hidden /> {t("title")}
          </Link>
        </>
      )}
      <Async query={query} lines={9}>
        {(m) => (
          <>
            <div className="reading-head">
              <h2>
                <bdi>{m.subject || t("noSubject")}</bdi>
              </h2>
              {(m.thread_messages ?? 1) > 1 && <Link to={`/threads/${encodeURIComponent(m.thread)}`}>{t("mails", { n: m.thread_messages ?? 1 })}</Link>}
              {!narrow && (
                <Link className="reading-close" to={back} aria-label={t("close")} title={t("close")}>
                  <CloseOutlined aria-hidden />
                </Link>
              )}
            </div>
            {(m.thread_messages ?? 1) > 1 ? <Conversation key={m.key} thread={m.thread} focus={m.key} /> : <Letter messageKey={m.key} />}
          </>
        )}
      </Async>
    </section>
  );
}
