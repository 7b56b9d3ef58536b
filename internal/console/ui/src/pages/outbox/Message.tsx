// One message of the outbox: why it goes, to whom it has gone, what the servers said, and what can be done.
import { Alert } from "antd";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { Async, Empty, Facts, Head, Panel, State, Time } from "@/kit";
import { Actions } from "./Actions";
import { MessageState, recipientTones } from "./MessageState";
import { Reply } from "./Reply";
import { useText } from "./texts";
import "./outbox.css";

type Message = Schemas["automation"]["OutboxMessage"];

export default function MessagePage() {
  const t = useText();
  const { entry = "" } = useParams();
  useLiveQueries(["outbox"], ["outbox", "one", entry]);
  const query = useQuery({ queryKey: ["outbox", "one", entry], queryFn: ({ signal }) => ok(api.GET("/api/v1/outbox/{entry}", { params: { path: { entry } }, signal })) });
  const m = query.data;
  return (
    <>
      <Head title={m ? (m.hidden ? t("hidden") : m.subject || t("noSubject")) : t("one")} back={{ to: "/outbox", title: t("title") }} actions={m && <Actions message={m} />}>
        {m && <MessageState message={m} />}
      </Head>
      <Async query={query} lines={10}>
        {(m) => <Shown message={m} />}
      </Async>
    </>
  );
}

function Shown({ message: m }: { message: Message }) {
  const t = useText();
  return (
    <div className="stack">
      {m.held && !m.finished_at && <Alert type="warning" showIcon title={t("held")} description={<>{m.held}. {t.rich("heldUntil", { time: <Time at={m.expires_at} show="exact" plain /> })} {!m.held_itself && <Link to="/holds">{t("toHolds")}</Link>}</>} />}
      {m.recipients.some((r) => r.state === "unknown") && <Alert type="warning" showIcon title={t("unknown")} description={t("unknownHint")} />}
      <div className="outbox-columns">
        <div className="stack">
          <Panel title={t("recipients", { n: m.recipients.length })} flush>
            <ul className="plain-list">
              {m.recipients.map((r) => (
                <li key={r.address} className="recipient">
                  <div className="row">
                    <strong className="grow" style={{ overflowWrap: "anywhere" }}>
                      {r.address}
                    </strong>
                    <State tone={recipientTones[r.state]}>{t(`state.${r.state}`)}</State>
                  </div>
                  {(r.reply || r.code) && <Reply of={r} />}
                  <div className="muted small">
                    {t("attempts", { n: r.attempts })}
                    {r.last_try && <> · {t.rich("lastTry", { time: <Time at={r.last_try} /> })}</>}
                    {r.state === "pending" && r.next_try && <> · {t.rich("nextTry", { time: <Time at={r.next_try} /> })}</>}
                  </div>
                </li>
              ))}
            </ul>
          </Panel>
          {m.bounces !== undefined && m.bounces.length > 0 && (
            <Panel title={t("tab.bounces")} flush>
              <ul className="plain-list">
                {m.bounces.map((b, i) => (
                  <li key={i} className="recipient">
                    <div className="row">
                      <strong className="grow">{b.recipient}</strong>
                      <State tone={b.permanent ? "bad" : "warn"}>{t(b.permanent ? "bounce.final" : "bounce.delay")}</State>
                    </div>
                    <Reply of={{ enhanced: b.status, reply: b.diagnostic, server: b.reporter }} />
                    <div className="muted small">
                      <Time at={b.at} />
                    </div>
                  </li>
                ))}
              </ul>
            </Panel>
          )}
        </div>
        <Panel title={t("about")}>
          <About message={m} />
        </Panel>
      </div>
    </div>
  );
}

function About({ message: m }: { message: Message }) {
  const t = useText();
  if (!m.recipients.length) return <Empty />;
  return (
    <>
      <Facts
        rows={[
          [t("why"), m.rule ? <Link key="r" to={`/rules/${encodeURIComponent(m.rule)}`}>{m.rule_name ?? m.rule}</Link> : m.automated ? undefined : t("machine")],
          [t("run"), m.run ? <Link key="run" to={`/runs/${encodeURIComponent(m.run)}`}>{t("openRun")}</Link> : undefined],
          [t("sender"), m.sender ?? m.from],
          [t("list"), m.list],
          [t("queued"), <Time key="q" at={m.queued_at} show="exact" />],
          [t("notBefore"), m.not_before && <Time at={m.not_before} show="exact" />],
          [t("nextTryAt"), !m.finished_at && m.next_try && <Time at={m.next_try} show="exact" />],
          [t("givenUp"), !m.finished_at && <Time at={m.expires_at} show="exact" />],
          [t("finished"), m.finished_at && <Time at={m.finished_at} show="exact" />],
          [t("policy"), m.policy && t(`policy.${m.policy}`)],
          [t("copy"), m.copy && t(`copy.${m.copy}`)],
          [t("copyReason"), m.copy_reason],
        ]}
      />
    </>
  );
}
