// Messages of the outbox as a list.
import { Input, Select, Tag } from "antd";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { Empty, Listing, Time, useFilters, useTyped, type Column } from "@/kit";
import { few } from "@/pages/rule-flow/words";
import { RuleSelect } from "@/pages/runs/RunList";
import { MessageState, stateOf } from "./MessageState";
import { Reply } from "./Reply";
import { useText } from "./texts";

type Message = Schemas["automation"]["OutboxMessage"];
type RecipientState = Schemas["automation"]["RecipientState"];

const open = ["held", "pending", "unknown"];
const done = ["delivered", "relayed", "failed", "bounced", "suppressed", "unknown"];

export function MessageList({ finished }: { finished: boolean }) {
  const t = useText();
  const [f, set] = useFilters({ state: "", rule: "", run: "", recipient: "", kind: "" });
  const [typed, type] = useTyped(f.recipient, (recipient) => set({ recipient }));
  const query = {
    finished,
    ...(f.state === "held" ? { held: true } : f.state && { state: f.state as RecipientState }),
    ...(f.rule && { rule: f.rule }),
    ...(f.run && { run: f.run }),
    ...(f.recipient && { recipient: f.recipient }),
    ...(f.kind && { automated: f.kind === "rules" }),
  };
  const columns: Column<Message>[] = [
    { key: "state", title: t("state"), width: 120, render: (m) => <MessageState message={m} /> },
    {
      key: "what",
      title: t("what"),
      card: "first",
      render: (m) => (
        <>
          <div style={{ overflowWrap: "anywhere" }}>{m.hidden ? t("hidden") : m.subject || t("noSubject")}</div>
          <Recipients message={m} />
        </>
      ),
    },
    {
      key: "why",
      title: t("why"),
      render: (m) => (m.rule ? <Link to={m.run ? `/runs/${encodeURIComponent(m.run)}` : `/rules/${encodeURIComponent(m.rule)}`}>{m.rule_name ?? m.rule}</Link> : <span className="muted">{m.automated ? "–" : t("machine")}</span>),
    },
    { key: "when", title: finished ? t("finished") : t("next"), render: (m) => <When message={m} /> },
    { key: "server", title: t("server"), render: (m) => <LastWord message={m} /> },
  ];
  return (
    <Listing<Message>
      label={t(finished ? "tab.finished" : "tab.waiting")}
      queryKey={["outbox", "list", finished, f]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/outbox", { params: { query: { ...query, cursor, limit } }, signal }))}
      rowKey={(m) => m.entry}
      to={(m) => `/outbox/${encodeURIComponent(m.entry)}`}
      filtered={Boolean(f.state || f.rule || f.run || f.recipient || f.kind)}
      empty={<Empty title={t(finished ? "none.finished" : "none.waiting")}>{t(finished ? "none.finishedHint" : "none.waitingHint")}</Empty>}
      filters={
        <>
          <Select aria-label={t("state")} value={f.state} onChange={(state) => set({ state })} style={{ minWidth: 140 }} options={[{ value: "", label: t("anyState") }, ...(finished ? done : open).map((s) => ({ value: s, label: t.any(`state.${s}`) }))]} />
          <RuleSelect value={f.rule} onChange={(rule) => set({ rule })} />
          <Select aria-label={t("kind")} value={f.kind} onChange={(kind) => set({ kind })} style={{ minWidth: 130 }} options={["", "rules", "machines"].map((v) => ({ value: v, label: t.any(`kind.${v || "all"}`) }))} />
          <Input.Search aria-label={t("recipient")} placeholder={t("recipient")} value={typed} onChange={(e) => type(e.target.value)} allowClear style={{ maxWidth: 260 }} />
          {f.run && (
            <Tag closable onClose={() => set({ run: "" })}>
              {t("ofRun")}
            </Tag>
          )}
        </>
      }
      columns={columns}
    />
  );
}

function Recipients({ message: m }: { message: Message }) {
  const t = useText();
  const { shown, more } = few(m.recipients.map((r) => r.address), 2);
  return (
    <div className="muted small" style={{ overflowWrap: "anywhere" }}>
      {t("to")} {shown.join(t.lang === "zh" ? "、" : ", ")} {more > 0 && t("andMore", { n: more })}
    </div>
  );
}

function When({ message: m }: { message: Message }) {
  const t = useText();
  if (m.finished_at) return <Time at={m.finished_at} />;
  if (m.held) return <span className="muted">{t.rich("expires", { time: <Time at={m.expires_at} /> })}</span>;
  return <Time at={m.not_before && m.not_before > (m.next_try ?? "") ? m.not_before : (m.next_try ?? m.queued_at)} />;
}

/** Why it waits, or what the server said last to somebody whose mail has not arrived; else to the first. */
function LastWord({ message: m }: { message: Message }) {
  const t = useText();
  if (m.held) return <span>{t("heldFor", { why: m.held })}</span>;
  const of = m.recipients.find((r) => stateOf(m) === r.state && r.reply) ?? m.recipients.find((r) => r.reply);
  return of ? <Reply of={of} short /> : <span className="muted">–</span>;
}
