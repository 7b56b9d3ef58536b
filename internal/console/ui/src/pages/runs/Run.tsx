// One run: what started it, why, what it did step by step, what it waits for.
import { ReloadOutlined, StopOutlined } from "@ant-design/icons";
import { Alert, Tabs } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { Async, ConfirmAction, duration, Empty, Facts, Head, Panel, State, Time, useFilters } from "@/kit";
import { GraphShown } from "@/pages/rule-flow/GraphShown";
import { WhyTree } from "@/pages/rule-flow/WhyTree";
import { RunState } from "./RunList";
import { Started } from "./Started";
import { Steps } from "./Steps";
import { useText } from "./texts";
import { Waits } from "./Waits";
import "./runs.css";

type RuleRun = Schemas["automation"]["RuleRun"];
const final = new Set(["done", "failed", "cancelled"]);

export default function Run() {
  const t = useText();
  const { run: id = "" } = useParams();
  useLiveQueries(["run", "approval", "outbox"], ["runs", "one", id], ["runs", "graph", id]);
  const run = useQuery({ queryKey: ["runs", "one", id], queryFn: ({ signal }) => ok(api.GET("/api/v1/runs/{run}", { params: { path: { run: id } }, signal })) });
  const title = run.data ? run.data.title || run.data.rule_name || run.data.rule : t("one");
  return (
    <>
      <Head title={title} back={{ to: "/runs", title: t("title") }} actions={run.data && <Actions run={run.data} />}>
        {run.data && (
          <span className="row">
            <RunState run={run.data} />
            {run.data.mode === "shadow" && <State tone="info">{t("shadow")}</State>}
            <Link to={`/rules/${encodeURIComponent(run.data.rule)}`}>{run.data.rule_name ?? run.data.rule}</Link>
          </span>
        )}
      </Head>
      <Async query={run} lines={10}>
        {(r) => <Shown run={r} />}
      </Async>
    </>
  );
}

const seconds = (from: string, to: string | undefined) => ((to ? new Date(to).getTime() : Date.now()) - new Date(from).getTime()) / 1000;

function Shown({ run: r }: { run: RuleRun }) {
  const t = useText();
  const [f, set] = useFilters({ tab: "steps" });
  const took = seconds(r.made_at, final.has(r.state) ? r.changed_at : undefined);
  return (
    <div className="stack">
      {r.mode === "shadow" && <Alert type="info" showIcon title={t("shadowHint")} />}
      {r.state === "failed" && <Alert type="error" showIcon title={t("failedHint")} description={r.reason} />}
      {r.state === "cancelled" && <Alert type="warning" showIcon title={t("cancelledHint")} description={r.reason} />}
      {r.hidden && <Alert type="info" showIcon title={t("hidden")} />}
      {r.waits.length > 0 && <Waits waits={r.waits} steps={r.steps} />}
      <div className="run-columns">
        <Panel flush>
          <Tabs
            activeKey={f.tab}
            onChange={(tab) => set({ tab })}
            tabBarStyle={{ padding: "0 16px", marginBottom: 0 }}
            items={[
              { key: "steps", label: t("steps"), children: <Steps run={r} /> },
              { key: "flow", label: t("flow"), children: f.tab === "flow" && <RunFlow run={r} /> },
            ]}
          />
        </Panel>
        <div className="stack">
          <Panel title={t("started")}>
            <Started event={r.event} hidden={r.hidden} />
          </Panel>
          <Panel title={t("why")}>{r.explanation ? <WhyTree explanation={r.explanation} /> : <p className="muted flat">{r.hidden ? t("whyHidden") : t("noWhy")}</p>}</Panel>
          <Panel title={t("about")}>
            <Facts
              rows={[
                [t("version"), r.version],
                [t("began"), <Time key="b" at={r.made_at} show="exact" />],
                [final.has(r.state) ? t("ended") : t("lastChange"), <Time key="c" at={r.changed_at} show="exact" />],
                [final.has(r.state) ? t("took") : t("since"), duration(Math.max(0, took), t.lang)],
              ]}
            />
          </Panel>
        </div>
      </div>
    </div>
  );
}

function RunFlow({ run: r }: { run: RuleRun }) {
  const t = useText();
  const graph = useQuery({
    queryKey: ["runs", "graph", r.id],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/rules/{id}/graph", { params: { path: { id: r.rule }, query: { run: r.id } }, signal })),
  });
  return (
    <div style={{ padding: 16 }}>
      <Async query={graph} lines={8} empty={(g) => g.nodes.length < 2 && <Empty title={t("noFlow")} />}>
        {(g) => <GraphShown graph={g} over="run" ended={final.has(r.state)} />}
      </Async>
    </div>
  );
}

function Actions({ run: r }: { run: RuleRun }) {
  const t = useText();
  const client = useQueryClient();
  const again = () => client.invalidateQueries({ queryKey: ["runs"] });
  const done = r.effects.filter((e) => e.state === "done").length;
  const path = { run: r.id };
  return (
    <>
      {r.can_retry && (
        <ConfirmAction
          title={t("retry.title")}
          text={t("retry.text", { n: done })}
          button={{ type: "primary", icon: <ReloadOutlined aria-hidden /> }}
          action={() => ok(api.POST("/api/v1/runs/{run}/retry", { params: { path } })).then(again)}
        >
          {t("retry")}
        </ConfirmAction>
      )}
      {r.can_cancel && (
        <ConfirmAction
          title={t("cancel.title")}
          text={t("cancel.text", { n: done })}
          reason="required"
          danger
          button={{ icon: <StopOutlined aria-hidden /> }}
          action={(reason) => ok(api.POST("/api/v1/runs/{run}/cancel", { params: { path }, body: { reason } })).then(again)}
        >
          {t("cancel")}
        </ConfirmAction>
      )}
    </>
  );
}
