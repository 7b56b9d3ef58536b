// How far a replay is, and what it found: numbers, differences, runs, and the way to put the version in force.
import { Alert, Button, Progress, Tabs } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { Async, ConfirmAction, Empty, exact, Panel } from "@/kit";
import { Differences, WouldRuns } from "./Found";
import { PublishThis } from "./PublishThis";
import { useText } from "./texts";
import { say } from "./words";
import "./flow.css";

type Replay = Schemas["automation"]["Replay"];
type Report = Schemas["automation"]["TrialReport"];
const underWay = (r: Replay | undefined) => r?.state === "queued" || r?.state === "running";

export function ReplayShown({ id, replay, forgotten }: { id: string; replay: string; forgotten: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const query = useQuery({
    queryKey: ["replays", "one", replay],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/replays/{replay}", { params: { path: { replay } }, signal })),
    refetchInterval: (q) => (underWay(q.state.data) ? 700 : false),
  });
  const again = () => client.invalidateQueries({ queryKey: ["replays"] });
  const params = { path: { replay } };
  return (
    <Async query={query}>
      {(r) => (
        <Panel
          title={r.diff ? t("found.compare", { v: versionName(r.diff, t), from: versionName(r.version, t) }) : t("found", { v: versionName(r.version, t) })}
          extra={
            underWay(r) ? (
              <ConfirmAction title={t("found.cancel")} text={t("found.cancelText")} button={{ size: "small" }} action={() => ok(api.POST("/api/v1/replays/{replay}/cancel", { params })).then(again)}>
                {t("found.cancel")}
              </ConfirmAction>
            ) : (
              <>
                {r.state === "done" && <PublishThis id={id} version={r.diff ?? r.version ?? ""} />}
                <Button size="small" type="text" onClick={() => void ok(api.DELETE("/api/v1/replays/{replay}", { params })).then(again).then(forgotten)}>
                  {t("found.forget")}
                </Button>
              </>
            )
          }
        >
          <p className="muted" style={{ marginTop: 0 }}>
            {exact(r.since, t.lang, false)} – {exact(r.until, t.lang, false)}
          </p>
          <Body replay={r} />
        </Panel>
      )}
    </Async>
  );
}

const versionName = (v: string | undefined, t: ReturnType<typeof useText>) => (v === "draft" ? t("version.draft") : t("version.n", { v: v ?? "" }));

function Body({ replay: r }: { replay: Replay }) {
  const t = useText();
  if (underWay(r)) {
    return (
      <div role="status">
        <Progress percent={Math.round(r.progress * 100)} status="active" aria-label={t("found.progress")} />
        <p className="muted flat">{t(r.state === "queued" ? "found.queued" : "found.running", { n: r.events ?? 0 })}</p>
      </div>
    );
  }
  if (r.state === "cancelled") return <Empty title={t("found.cancelled")}>{t("found.cancelledHint")}</Empty>;
  if (r.state === "failed") return <Alert type="error" showIcon title={t("found.failed")} description={r.error} />;
  return <Result replay={r} />;
}

function Result({ replay: r }: { replay: Replay }) {
  const t = useText();
  const [tab, setTab] = useState<string>();
  const report = r.other ?? r.report;
  const d = r.differences;
  const changed = d ? d.before + d.after + d.changed : 0;
  if (!r.report || !report) return <Empty title={t("found.nothing")} />;
  return (
    <div className="stack">
      {r.notes?.map((n, i) => <Alert key={i} type="info" showIcon title={say(n, t.lang)} />)}
      {Boolean(r.skipped?.length) && <p className="muted small flat">{t("found.skipped", { n: r.skipped!.reduce((s, x) => s + x.count, 0) })}</p>}
      {report.unknown?.map((u, i) => <Alert key={i} type="warning" showIcon title={t("found.unknown", { n: u.events })} description={u.reason} />)}
      <Numbers report={report} />
      {d && (
        <div className="tiles" role="group" aria-label={t("diff")}>
          {(["same", "after", "before", "changed"] as const).map((k) => (
            <div key={k} className="tile" data-tone={k !== "same" && d[k] ? "warn" : undefined}>
              <strong>{d[k]}</strong>
              {t(`found.${k}`)}
            </div>
          ))}
        </div>
      )}
      {Boolean(r.report.omitted) && <Alert type="info" showIcon title={t("found.tooMany", { n: r.report.omitted! })} />}
      <Tabs
        activeKey={tab ?? (d ? "differences" : "runs")}
        onChange={setTab}
        items={[
          ...(d ? [{ key: "differences", label: t("found.differences", { n: changed }), children: <Differences replay={r} /> }] : []),
          { key: "runs", label: d ? t("found.runsOf", { v: versionName(r.version, t) }) : t("found.runs"), children: <WouldRuns replay={r.id} /> },
          ...(report.recipients.length ? [{ key: "people", label: t("found.people"), children: <Recipients report={report} /> }] : []),
        ]}
      />
    </div>
  );
}

function Numbers({ report: r }: { report: Report }) {
  const t = useText();
  const mails = (state: string) => r.effects[`mail ${state}`] ?? 0;
  const tiles: [number, string, ("warn" | "bad")?][] = [
    [r.events, t("found.events")],
    [r.results.fires ?? 0, t("found.fires")],
    [mails("shadow"), t("found.mails")],
    [Object.entries(r.effects).reduce((n, [k, v]) => (k.endsWith(" blocked") ? n + v : n), 0), t("found.blocked"), "warn"],
    [(r.results.unknown ?? 0) + (r.results.error ?? 0), t("found.cannotTell"), "bad"],
  ];
  return (
    <div className="tiles" role="group" aria-label={t("found.numbers")}>
      {tiles.map(([n, text, tone]) => (
        <div key={text} className="tile" data-tone={n ? tone : undefined}>
          <strong>{n}</strong>
          {text}
        </div>
      ))}
    </div>
  );
}

function Recipients({ report: r }: { report: Report }) {
  const t = useText();
  return (
    <>
      <ul className="plain-list">
        {r.recipients.map((p) => (
          <li key={p.name}>
            <span className="grow anywhere">{p.name}</span>
            <span className="muted">{t("found.mailsN", { n: p.count })}</span>
          </li>
        ))}
      </ul>
      {Boolean(r.other_recipients) && <p className="muted small">{t("found.morePeople", { n: r.other_recipients! })}</p>}
    </>
  );
}
