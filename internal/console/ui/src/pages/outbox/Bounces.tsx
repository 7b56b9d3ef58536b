import { Input, Select } from "antd";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { Empty, Listing, State, Time, useFilters, useTyped } from "@/kit";
import { RuleSelect } from "@/pages/runs/RunList";
import { Reply } from "./Reply";
import { useText } from "./texts";

type Bounce = Schemas["automation"]["Bounce"];

/** What servers reported after they had taken a message. */
export function Bounces() {
  const t = useText();
  const [f, set] = useFilters({ permanent: "", rule: "", recipient: "" });
  const [typed, type] = useTyped(f.recipient, (recipient) => set({ recipient }));
  const query = { ...(f.permanent && { permanent: f.permanent === "yes" }), ...(f.rule && { rule: f.rule }), ...(f.recipient && { recipient: f.recipient }) };
  return (
    <Listing<Bounce>
      label={t("tab.bounces")}
      queryKey={["outbox", "bounces", f]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/bounces", { params: { query: { ...query, cursor, limit } }, signal }))}
      rowKey={(b) => `${b.entry ?? ""} ${b.report ?? ""} ${b.recipient} ${b.at}`}
      filtered={Boolean(f.permanent || f.rule || f.recipient)}
      empty={<Empty title={t("none.bounces")}>{t("none.bouncesHint")}</Empty>}
      filters={
        <>
          <Select aria-label={t("bounce")} value={f.permanent} onChange={(permanent) => set({ permanent })} style={{ minWidth: 140 }} options={[{ value: "", label: t("bounce.all") }, { value: "yes", label: t("bounce.final") }, { value: "no", label: t("bounce.delay") }]} />
          <RuleSelect value={f.rule} onChange={(rule) => set({ rule })} />
          <Input.Search aria-label={t("recipient")} placeholder={t("recipient")} value={typed} onChange={(e) => type(e.target.value)} allowClear style={{ maxWidth: 260 }} />
        </>
      }
      columns={[
        { key: "who", title: t("recipient"), card: "first", render: (b) => <span style={{ overflowWrap: "anywhere" }}>{b.recipient}</span> },
        { key: "kind", title: t("bounce"), render: (b) => <State tone={b.permanent ? "bad" : "warn"}>{t(b.permanent ? "bounce.final" : "bounce.delay")}</State> },
        { key: "said", title: t("server"), render: (b) => <Reply of={{ enhanced: b.status, reply: b.diagnostic, server: b.reporter }} /> },
        { key: "at", title: t("when"), render: (b) => <Time at={b.at} /> },
        { key: "mail", title: t("mail"), render: (b) => (b.entry ? <Link to={`/outbox/${encodeURIComponent(b.entry)}`}>{t("openMail")}</Link> : "–") },
      ]}
    />
  );
}
