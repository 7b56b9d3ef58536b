// What a rule does, as a picture; over it how often runs came by, or the way of one run.
import { Select } from "antd";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { Async, Empty, exact, Panel, useFilters } from "@/kit";
import { GraphShown } from "./GraphShown";
import { useText } from "./texts";
import { useRule, useVersions } from "./useRule";

type Run = Schemas["automation"]["RunSummary"];

const day = 86_400_000;
// By the hour, so that the question stays the same while one looks.
const since = (days: number) => new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - days * day).toISOString();
const final = new Set(["done", "failed", "cancelled"]);

export default function Flow({ id }: { id: string }) {
  const t = useText();
  const [f, set] = useFilters({ version: "", over: "" });
  useLiveQueries(["rule", "run"], ["rule-flow", id]);
  const rule = useRule(id);
  const inForce = rule.data?.version ?? 0;
  const version = f.version || (inForce ? String(inForce) : "draft");
  const days = /^days-(\d+)$/.exec(f.over)?.[1];
  const run = /^run-(.+)$/.exec(f.over)?.[1];
  const runs = useQuery({
    queryKey: ["rule-flow", id, "runs"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/runs", { params: { query: { rule: id, limit: 20 } }, signal })),
  });
  const graph = useQuery({
    queryKey: ["rule-flow", id, "graph", version, f.over],
    enabled: Boolean(rule.data),
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/rules/{id}/graph", { params: { path: { id }, query: run ? { run } : { version, ...(days && version !== "draft" && { since: since(Number(days)) }) } }, signal })),
  });
  const shown = runs.data?.items.find((r) => r.id === run);
  return (
    <Panel
      title={t("flow")}
      extra={
        <>
          <VersionSelect id={id} value={run ? String(shown?.version ?? version) : version} disabled={Boolean(run)} onChange={(v) => set({ version: v })} />
          <OverSelect value={f.over} draft={version === "draft"} runs={runs.data?.items ?? []} onChange={(over) => set({ over })} />
        </>
      }
    >
      {run && (
        <p className="muted" style={{ marginTop: 0 }}>
          {t("flow.oneRun")} <Link to={`/runs/${encodeURIComponent(run)}`}>{t("flow.openRun")}</Link>
        </p>
      )}
      <Async query={graph} lines={10} empty={(g) => g.nodes.length < 2 && <Empty title={t("flow.empty")}>{t("flow.emptyHint")}</Empty>}>
        {(g) => <GraphShown key={`${version} ${run ?? ""}`} graph={g} over={run ? "run" : days && version !== "draft" ? "counts" : "nothing"} ended={Boolean(shown && final.has(shown.state))} />}
      </Async>
    </Panel>
  );
}

/** Chooses a version of a rule, or its draft. */
export function VersionSelect({ id, value, onChange, disabled, none, label }: { id: string; value: string; onChange: (v: string) => void; disabled?: boolean; none?: string; label?: string }) {
  const t = useText();
  const rule = useRule(id);
  const versions = useVersions(id);
  const options = [
    ...(none ? [{ value: "", label: none }] : []),
    ...(rule.data?.draft ? [{ value: "draft", label: t("version.draft") }] : []),
    ...(versions.data?.items ?? []).map((v) => ({ value: String(v.version), label: v.in_force ? t("version.inForce", { v: String(v.version) }) : t("version.n", { v: String(v.version) }) })),
  ];
  return <Select aria-label={label ?? t("version")} value={value} onChange={onChange} disabled={disabled} loading={versions.isPending} options={options} popupMatchSelectWidth={false} style={{ minWidth: 150 }} />;
}

function OverSelect({ value, draft, runs, onChange }: { value: string; draft: boolean; runs: Run[]; onChange: (over: string) => void }) {
  const t = useText();
  const times = [1, 7, 30, 90].map((n) => ({ value: `days-${n}`, label: t("flow.days", { n }), disabled: draft }));
  const some = runs.map((r) => ({ value: `run-${r.id}`, label: `${r.title ?? t("flow.run")} · ${exact(r.made_at, t.lang, false)}` }));
  if (value.startsWith("run-") && !some.some((r) => r.value === value)) some.unshift({ value, label: t("flow.run") });
  return (
    <Select
      aria-label={t("flow.over")}
      value={value}
      onChange={onChange}
      popupMatchSelectWidth={false}
      style={{ minWidth: 190, maxWidth: 320 }}
      options={[
        { value: "", label: t("flow.nothingOver") },
        { label: t("flow.howOften"), options: times },
        ...(some.length ? [{ label: t("flow.lastRuns"), options: some }] : []),
      ]}
    />
  );
}
