import { Button } from "antd";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Async, Facts, State, Time } from "@/kit";
import type { LinkedTo } from "./decide";
import { domainOf, type Review } from "./lists";
import { useText } from "./texts";

type Message = Schemas["operations"]["ReviewMessage"];

// Providers whose domain says nothing about where somebody works.
const free = /^(qq|foxmail|163|126|yeah|sina|sohu|139|aliyun|gmail|googlemail|outlook|hotmail|live|icloud|me|yahoo|gmx|web|proton(mail)?)\.(com|cn|net|de|me|co\.\w\w)(\.cn)?$/;

/** One of them: what is known, who it may be, and the mail that waits. */
export function Person({ review: r, link, footer }: { review: Review; link?: (to: LinkedTo) => void; footer: ReactNode }) {
  const t = useText();
  const query = useQuery({ queryKey: ["reviews", "one", r.subject], queryFn: ({ signal }) => ok(api.GET("/api/v1/reviews/{subject}", { params: { path: { subject: r.subject } }, signal })) });
  const people = r.suggestions.filter((s) => s.kind !== "company");
  const company = r.suggestions.find((s) => s.kind === "company");
  const domain = domainOf(r.subject);
  return (
    <>
      <header className="review-name">
        <div className="grow">
          <h2>{r.name || r.subject}</h2>
          <span className="muted">{r.subject.startsWith("@") ? t("wholeDomain") : r.subject}</span>
        </div>
        {r.state === "decided" && <State tone="good">{t.any(`decision.${r.decision ?? "none"}`, r.decision)}</State>}
      </header>
      <div className="review-facts">
        <Facts
          rows={[
            [t("company"), company ? t("companyKnown", { name: company.name ?? domain }) : free.test(domain) ? t("companyFree") : t("companyDomain", { domain })],
            [t("firstSeen"), <Time key="f" at={r.first_seen_at} />],
            [t("lastSeen"), <Time key="l" at={r.last_seen_at} />],
            [t("decidedAt"), r.decided_at && <Time at={r.decided_at} />],
          ]}
        />
      </div>
      {people.length > 0 && (
        <>
          <h3>{t("maybe")}</h3>
          <ul className="plain-list">
            {people.map((s) => (
              <li key={s.target + s.id}>
                <div className="grow">
                  <div>
                    <strong>{s.name || s.address || s.id}</strong>{" "}
                    <span className="muted small">{[s.address, s.company, t.any(`kind.${s.kind}`, s.kind), s.target].filter(Boolean).join(" · ")}</span>
                  </div>
                  <div className="small muted">{t("alike", { percent: s.percent })}</div>
                </div>
                {link && (
                  <Button size="small" onClick={() => link({ id: s.id, target: s.target, name: s.name || s.id })}>
                    {t("linkThis")}
                  </Button>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
      <h3>{t("mails")}</h3>
      <Async query={query} lines={3} empty={(d) => !d.messages.length && <p className="muted review-pad">{t("noMails")}</p>}>
        {(d) => <Mails subject={r.subject} messages={d.messages} />}
      </Async>
      {footer && <footer className="review-foot">{footer}</footer>}
    </>
  );
}

/** Titles come from the list of mail, so that each sees what the list shows them. */
function Mails({ subject, messages }: { subject: string; messages: Message[] }) {
  const t = useText();
  const reads = useMay()("mail.read");
  const where = subject.startsWith("@") ? { domain: subject.slice(1) } : { person: subject };
  const titles = useQuery({
    queryKey: ["messages", "of", subject],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/messages", { params: { query: { ...where, limit: 100 } }, signal })),
    enabled: reads,
  });
  const byKey = new Map(titles.data?.items.map((m) => [m.key, m.subject]));
  return (
    <ul className="plain-list review-mails">
      {messages.map((m) => {
        const title = byKey.has(m.message) ? byKey.get(m.message) || t("noSubject") : t(`direction.${m.direction}`);
        return (
          <li key={m.message + m.target}>
            <span className="grow cut">{byKey.has(m.message) ? <Link to={`/messages/${encodeURIComponent(m.message)}`}>{title}</Link> : title}</span>
            {!m.waits && <State>{t("mirrored")}</State>}
            <span className="muted small nowrap">{byKey.has(m.message) && `${t(`direction.${m.direction}`)} · `}<Time at={m.at} /></span>
          </li>
        );
      })}
    </ul>
  );
}
