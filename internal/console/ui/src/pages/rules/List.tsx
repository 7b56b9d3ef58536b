// All rules: state, what starts them, what they did in the last seven days.
import { PlusOutlined } from "@ant-design/icons";
import { Button, Input, Select } from "antd";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Empty, Head, Listing, Time, number, useFilters, useTyped } from "@/kit";
import { Said } from "@/pages/rule-flow/Said";
import { Icon } from "./design/icons";
import { RuleState, StateActions } from "./state";
import { useText } from "./texts";
import "./rules.css";

type Summary = Schemas["automation"]["RuleSummary"];
type TriggerType = Schemas["automation"]["TriggerType"];
const triggers: TriggerType[] = ["mail", "absence", "record", "deadline", "schedule", "webhook", "manual"];

export default function List() {
  const t = useText();
  const may = useMay();
  const [f, set] = useFilters({ q: "", state: "", trigger: "" });
  const [typed, type] = useTyped(f.q, (q) => set({ q }));
  useLiveQueries(["rule", "run"], ["rules", "list"]);
  const create = may("rules.write") && (
    <Link to="/rules/new">
      <Button type="primary" icon={<PlusOutlined aria-hidden />} tabIndex={-1}>
        {t("newRule")}
      </Button>
    </Link>
  );
  return (
    <>
      <Head title={t("title")} actions={create}>
        {t("listHint")}
      </Head>
      <Listing<Summary>
        label={t("title")}
        queryKey={["rules", "list", f]}
        fetch={({ cursor, limit, signal }) =>
          ok(
            api.GET("/api/v1/rules", {
              params: {
                query: {
                  cursor,
                  limit,
                  ...(f.q && { search: f.q }),
                  ...(f.state === "held" ? { held: true } : f.state ? { state: [f.state as Summary["state"]] } : {}),
                  ...(f.trigger && { trigger: f.trigger as TriggerType }),
                },
              },
              signal,
            }),
          )
        }
        rowKey={(r) => r.id}
        to={(r) => `/rules/${encodeURIComponent(r.id)}`}
        filtered={Boolean(f.q || f.state || f.trigger)}
        filters={
          <>
            <Input.Search aria-label={t("search")} placeholder={t("search")} allowClear value={typed} onChange={(e) => type(e.target.value)} style={{ width: 290, maxWidth: "100%" }} />
            <Select
              aria-label={t("state")}
              value={f.state}
              onChange={(state) => set({ state })}
              style={{ minWidth: 130 }}
              options={[{ value: "", label: t("anyState") }, ...(["live", "shadow", "draft", "held", "off"] as const).map((s) => ({ value: s, label: s === "held" ? t("held") : t(`state.${s}`) }))]}
            />
            <Select aria-label={t("trigger")} value={f.trigger} onChange={(trigger) => set({ trigger })} style={{ minWidth: 180 }} popupMatchSelectWidth={false} options={[{ value: "", label: t("anyTrigger") }, ...triggers.map((x) => ({ value: x, label: t(`trigger.${x}`) }))]} />
          </>
        }
        empty={
          <Empty title={t("noRules")} action={create}>
            {t("noRulesHint")}
          </Empty>
        }
        columns={[
          {
            key: "name",
            title: t("rule"),
            card: "first",
            render: (r) => (
              <div className="rd-rule">
                <span className="rd-icon" data-group="trigger">
                  <Icon of={r.trigger.type} trigger />
                </span>
                <div>
                  <Link to={`/rules/${encodeURIComponent(r.id)}`} tabIndex={-1}>
                    {r.name || t("unnamed")}
                  </Link>
                  <div className="muted small rd-clamp">
                    <Said text={r.words?.[t.lang] ?? r.trigger.label[t.lang]} />
                  </div>
                </div>
              </div>
            ),
          },
          { key: "state", title: t("state"), width: 190, render: (r) => <RuleState rule={r} /> },
          { key: "fired", title: t("lastFired"), width: 120, render: (r) => (r.last_fired_at ? <Time at={r.last_fired_at} /> : <span className="muted">{t("never")}</span>) },
          { key: "runs", title: t("runs7"), width: 150, render: (r) => <Runs rule={r} /> },
          { key: "owner", title: t("owner"), width: 190, render: (r) => <span className="small">{r.owner}</span> },
          { key: "do", title: "", width: 110, align: "right", render: (r) => <StateActions rule={r} small /> },
        ]}
      />
    </>
  );
}

function Runs({ rule: { id, runs } }: { rule: Summary }) {
  const t = useText();
  const all = runs.running + runs.waiting + runs.done + runs.failed + runs.cancelled;
  if (!all) return <span className="muted">–</span>;
  return (
    <span className="row" style={{ gap: 8 }}>
      <Link to={`/runs?rule=${encodeURIComponent(id)}`}>{t("runCount", { n: all })}</Link>
      {runs.failed > 0 && (
        <Link to={`/runs?rule=${encodeURIComponent(id)}&state=failed`} className="rd-failed">
          {t("failedCount", { n: runs.failed })}
        </Link>
      )}
      {runs.waiting > 0 && <span className="muted small">{t("waitingCount", { count: number(runs.waiting, t.lang) })}</span>}
    </span>
  );
}
