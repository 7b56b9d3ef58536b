// All versions of a rule: who made which, why, what changed, and the way back.
import { RollbackOutlined, SwapOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { ConfirmAction, Empty, Listing, Panel, State, Time, useFilters } from "@/kit";
import { DiffShown } from "./DiffShown";
import { VersionSelect } from "./Flow";
import { Said } from "./Said";
import { useText } from "./texts";
import { useRule } from "./useRule";
import { say } from "./words";

type Version = Schemas["automation"]["Version"];
const most = 200;

export default function Versions({ id }: { id: string }) {
  const t = useText();
  const may = useMay();
  const [f, set] = useFilters({ from: "", to: "" });
  const rule = useRule(id);
  const client = useQueryClient();
  useLiveQueries(["rule", "run"], ["rule-flow", id]);
  const under = useUnderWay(id);
  const again = () => Promise.all([client.invalidateQueries({ queryKey: ["rule-flow", id] }), client.invalidateQueries({ queryKey: ["rules"] })]);
  const inForce = rule.data?.version ?? 0;
  const back = (v: Version) => (
    <ConfirmAction
      title={t("back.title", { v: String(v.version) })}
      text={
        <>
          {t(rule.data?.state === "off" ? "back.off" : "back.text", { v: String(v.version), now: String(inForce) })} {under.get(inForce) ? t("back.runs", { n: under.get(inForce)! }) : t("back.noRuns")}
        </>
      }
      confirm={t("back.go")}
      button={{ size: "small", icon: <RollbackOutlined aria-hidden /> }}
      action={() => ok(api.POST("/api/v1/rules/{id}/rollback", { params: { path: { id } }, body: { version: v.version } })).then(again)}
    >
      {t("back")}
    </ConfirmAction>
  );
  return (
    <div className="stack">
      {f.from && f.to && (
        <Panel
          title={t("diff")}
          extra={
            <>
              <VersionSelect id={id} value={f.from} onChange={(from) => set({ from })} label={t("diff.before")} />
              <Button icon={<SwapOutlined aria-hidden />} aria-label={t("diff.swap")} onClick={() => set({ from: f.to, to: f.from })} />
              <VersionSelect id={id} value={f.to} onChange={(to) => set({ to })} label={t("diff.after")} />
              <Button type="text" onClick={() => set({ from: "", to: "" })}>
                {t("close")}
              </Button>
            </>
          }
        >
          <DiffShown id={id} from={f.from} to={f.to} />
        </Panel>
      )}
      {rule.data?.draft && inForce > 0 && (
        <div className="row">
          <State tone="info">{t("version.draft")}</State>
          <span>{t("versions.draft")}</span>
          <Button size="small" onClick={() => set({ from: String(inForce), to: "draft" })}>
            {t("diff.draft")}
          </Button>
        </div>
      )}
      <Listing<Version>
        label={t("versions")}
        queryKey={["rule-flow", id, "versions"]}
        fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/rules/{id}/versions", { params: { path: { id }, query: { cursor, limit } }, signal }))}
        rowKey={(v) => String(v.version)}
        empty={<Empty title={t("versions.none")}>{t("versions.noneHint")}</Empty>}
        columns={[
          {
            key: "version",
            title: t("version"),
            card: "first",
            render: (v) => (
              <span className="row" style={{ flexWrap: "nowrap" }}>
                <strong>{v.version}</strong>
                {v.in_force && <State tone={rule.data?.state === "shadow" ? "info" : "good"}>{rule.data?.state === "shadow" ? t("version.shadow") : t("version.runs")}</State>}
              </span>
            ),
          },
          {
            key: "note",
            title: t("version.note"),
            card: "plain",
            render: (v) => (
              <>
                <div>{v.note || <span className="muted">{t("version.noNote")}</span>}</div>
                <div className="muted small">
                  <Said text={say(v.words, t.lang)} />
                </div>
              </>
            ),
          },
          { key: "by", title: t("version.by"), render: (v) => v.made_by ?? "–" },
          { key: "at", title: t("version.at"), render: (v) => <Time at={v.made_at} /> },
          {
            key: "runs",
            title: t("version.underWay"),
            render: (v) =>
              under.get(v.version) ? <Link to={`/runs?rule=${encodeURIComponent(id)}&version=${v.version}&state=running,waiting`}>{t("version.runsN", { n: under.get(v.version)! })}</Link> : <span className="muted">–</span>,
          },
          {
            key: "do",
            title: "",
            align: "right",
            card: "plain",
            render: (v) => (
              <span className="row" style={{ justifyContent: "flex-end" }}>
                {v.version > 1 && (
                  <Button size="small" onClick={() => set({ from: String(v.version - 1), to: String(v.version) })}>
                    {v.changes === undefined ? t("diff.show") : t("diff.showN", { n: v.changes })}
                  </Button>
                )}
                {may("rules.publish") && inForce > 0 && v.version !== inForce && back(v)}
              </span>
            ),
          },
        ]}
      />
    </div>
  );
}

/** How many runs of each version are under way. */
function useUnderWay(id: string) {
  const { data } = useQuery({
    queryKey: ["rule-flow", id, "under-way"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/runs", { params: { query: { rule: id, state: ["running", "waiting"], limit: most } }, signal })),
  });
  return useMemo(() => {
    const out = new Map<number, number>();
    for (const r of data?.items ?? []) out.set(r.version, (out.get(r.version) ?? 0) + 1);
    return out;
  }, [data]);
}
