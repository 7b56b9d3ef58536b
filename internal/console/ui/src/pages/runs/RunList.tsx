// Runs as a list with filters; of all rules, or of one.
import { Select, Tag } from "antd";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { Empty, Listing, State, Time, useFilters, type Column } from "@/kit";
import { KindIcon } from "@/pages/rule-flow/icons";
import { runTones } from "@/pages/rule-flow/words";
import { useText } from "./texts";

type Run = Schemas["automation"]["RunSummary"];
type RunState = Schemas["automation"]["RuleRunState"];

const states: RunState[] = ["running", "waiting", "done", "failed", "cancelled"];
const hour = 3_600_000;
const times: Record<string, number> = { day: 24, week: 7 * 24, month: 30 * 24 };

// By the hour, so that the question stays the same while one looks.
const hoursAgo = (n: number) => new Date(Math.floor(Date.now() / hour) * hour - n * hour).toISOString();

export function RunList({ rule }: { rule?: string }) {
  const t = useText();
  const [f, set] = useFilters({ rule: "", state: "", mode: "", time: "", message: "", version: "" });
  useLiveQueries(["run"], ["runs"]);
  const chosen = f.state.split(",").filter((s): s is RunState => states.includes(s as RunState));
  const of = rule ?? f.rule;
  const query = {
    ...(of && { rule: of }),
    ...(f.version && { version: Number(f.version) || 1 }),
    ...(chosen.length && { state: chosen }),
    ...(f.mode && { mode: f.mode as Run["mode"] }),
    ...(times[f.time] && { since: hoursAgo(times[f.time]!) }),
    ...(f.message && { message: f.message }),
  };
  const columns: Column<Run>[] = [
    { key: "state", title: t("state"), width: 110, render: (r) => <RunState run={r} /> },
    {
      key: "what",
      title: t("what"),
      card: "first",
      render: (r) => (
        <span className="row" style={{ flexWrap: "nowrap", alignItems: "baseline" }}>
          <KindIcon kind={`trigger.${r.event.type}`} />
          <span style={{ overflowWrap: "anywhere" }}>{r.title || t.any(`event.${r.event.type}`, r.event.type)}</span>
          {r.mode === "shadow" && <Tag>{t("shadow")}</Tag>}
        </span>
      ),
    },
    ...(rule ? [] : [{ key: "rule", title: t("rule"), render: (r: Run) => <Link to={`/rules/${encodeURIComponent(r.rule)}`}>{r.rule_name ?? r.rule}</Link> }]),
    { key: "version", title: t("version"), render: (r) => r.version, card: "none" },
    { key: "made", title: t("began"), render: (r) => <Time at={r.made_at} /> },
    { key: "more", title: t("more"), render: (r) => <More run={r} /> },
  ];
  return (
    <Listing<Run>
      label={t("title")}
      queryKey={["runs", of, f]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/runs", { params: { query: { ...query, cursor, limit } }, signal }))}
      rowKey={(r) => r.id}
      to={(r) => `/runs/${encodeURIComponent(r.id)}`}
      filtered={Boolean(f.rule || f.state || f.mode || f.time || f.message || f.version)}
      empty={<Empty title={t("none")}>{t("noneHint")}</Empty>}
      filters={
        <>
          {!rule && <RuleSelect value={f.rule} onChange={(v) => set({ rule: v, version: "" })} />}
          <Select
            mode="multiple"
            aria-label={t("state")}
            placeholder={t("anyState")}
            value={chosen}
            onChange={(v) => set({ state: v.join(",") })}
            options={states.map((s) => ({ value: s, label: t(`state.${s}`) }))}
            style={{ minWidth: 150 }}
            maxTagCount="responsive"
            allowClear
          />
          <Select aria-label={t("time")} value={f.time} onChange={(time) => set({ time })} style={{ minWidth: 130 }} options={["", "day", "week", "month"].map((v) => ({ value: v, label: t.any(`time.${v || "all"}`) }))} />
          <Select aria-label={t("mode")} value={f.mode} onChange={(mode) => set({ mode })} style={{ minWidth: 130 }} options={["", "live", "shadow"].map((v) => ({ value: v, label: t.any(`mode.${v || "all"}`) }))} />
          {f.version && (
            <Tag closable onClose={() => set({ version: "" })}>
              {t("ofVersion", { v: f.version })}
            </Tag>
          )}
          {f.message && (
            <Tag closable onClose={() => set({ message: "" })}>
              {t("ofMessage")}
            </Tag>
          )}
        </>
      }
      columns={columns}
    />
  );
}

export function RunState({ run }: { run: Pick<Run, "state"> }) {
  const t = useText();
  return <State tone={runTones[run.state]}>{t(`state.${run.state}`)}</State>;
}

function More({ run: r }: { run: Run }) {
  const t = useText();
  if (r.reason) return <span style={{ overflowWrap: "anywhere" }}>{r.reason}</span>;
  if (r.state === "waiting" && r.wakes_at) return <span className="muted">{t.rich("until", { time: <Time at={r.wakes_at} /> })}</span>;
  if (r.state === "waiting") return <span className="muted">{t("waitsForPeople")}</span>;
  return <span className="muted">{t.rich("changed", { time: <Time at={r.changed_at} /> })}</span>;
}

/** Chooses one of the rules. */
export function RuleSelect({ value, onChange }: { value: string; onChange: (v: string) => void }) {
  const t = useText();
  const rules = useQuery({ queryKey: ["rules", "names"], queryFn: ({ signal }) => ok(api.GET("/api/v1/rules", { params: { query: { limit: 200 } }, signal })), staleTime: 60_000 });
  const options = (rules.data?.items ?? []).map((r) => ({ value: r.id, label: r.name ?? r.id }));
  if (value && !options.some((o) => o.value === value)) options.push({ value, label: value });
  return (
    <Select
      aria-label={t("rule")}
      value={value}
      onChange={onChange}
      loading={rules.isPending}
      showSearch={{ optionFilterProp: "label" }}
      popupMatchSelectWidth={false}
      style={{ minWidth: 170, maxWidth: 280 }}
      options={[{ value: "", label: t("anyRule") }, ...options]}
    />
  );
}
