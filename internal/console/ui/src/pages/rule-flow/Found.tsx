// What a replay found, row by row; a drawer shows what would have been sent.
import { Drawer, Tag } from "antd";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { Empty, Listing, State, Time } from "@/kit";
import { ContentShown } from "./ContentShown";
import { KindIcon } from "./icons";
import { useText } from "./texts";
import { few, say } from "./words";

type TrialRun = Schemas["automation"]["TrialRun"];
type Difference = Schemas["automation"]["Difference"];
type Effect = Schemas["automation"]["TrialEffect"];

const effectTones = { shadow: "good", blocked: "warn", failed: "bad", pending: "info" } as const;

export function Differences({ replay: r }: { replay: Schemas["automation"]["Replay"] }) {
  const t = useText();
  return (
    <Listing<Difference>
      label={t("diff")}
      queryKey={["replays", "differences", r.id]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/replays/{replay}/differences", { params: { path: { replay: r.id }, query: { cursor, limit } }, signal }))}
      rowKey={(d) => `${d.rule ?? ""} ${d.event}`}
      empty={<Empty title={t("found.noDifferences")}>{t("found.noDifferencesHint")}</Empty>}
      columns={[
        { key: "at", title: t("found.when"), render: (d) => <Time at={d.at} show="exact" plain /> },
        { key: "what", title: t("found.what"), card: "first", render: (d) => d.title || t("found.noTitle") },
        { key: "before", title: t("found.was"), render: (d) => <Effects lines={d.before} /> },
        { key: "after", title: t("found.willBe"), render: (d) => <Effects lines={d.after} /> },
      ]}
    />
  );
}

function Effects({ lines }: { lines: Schemas["automation"]["Words"][] }) {
  const t = useText();
  if (!lines.length) return <span className="muted">{t("found.notFired")}</span>;
  return (
    <ul className="effects">
      {lines.map((l, i) => (
        <li key={i}>{say(l, t.lang)}</li>
      ))}
    </ul>
  );
}

export function WouldRuns({ replay }: { replay: string }) {
  const t = useText();
  const [shown, show] = useState<TrialRun>();
  return (
    <>
      <Listing<TrialRun>
        label={t("found.runs")}
        queryKey={["replays", "runs", replay]}
        fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/replays/{replay}/runs", { params: { path: { replay }, query: { cursor, limit } }, signal }))}
        rowKey={(r) => `${r.rule} ${r.event}`}
        onOpen={show}
        empty={<Empty title={t("found.none")}>{t("found.noneHint")}</Empty>}
        columns={[
          { key: "at", title: t("found.when"), render: (r) => <Time at={r.at} show="exact" plain /> },
          { key: "what", title: t("found.what"), card: "first", render: (r) => r.title || t("found.noTitle") },
          {
            key: "effects",
            title: t("found.would"),
            render: (r) => (
              <ul className="effects">
                {r.effects.slice(0, 4).map((e, i) => (
                  <li key={i}>
                    <KindIcon kind={e.kind} />
                    <span>
                      {t.any(`effect.${e.kind}`, e.kind)} {e.title && `“${e.title}”`} {e.state !== "shadow" && <Tag>{t(`would.${e.state}`)}</Tag>}
                    </span>
                  </li>
                ))}
                {!r.effects.length && <li className="muted">{r.reason ?? t("found.noEffects")}</li>}
                {r.effects.length > 4 && <li className="muted">{t("found.moreEffects", { n: r.effects.length - 4 })}</li>}
              </ul>
            ),
          },
          { key: "to", title: t("found.to"), render: (r) => <To effects={r.effects} /> },
        ]}
      />
      <Drawer open={Boolean(shown)} onClose={() => show(undefined)} title={shown?.title || t("found.noTitle")} size={640} destroyOnHidden>
        {shown && (
          <div className="stack">
            <p className="muted flat">
              <Time at={shown.at} show="exact" /> {shown.reason}
            </p>
            {shown.effects.map((e, i) => (
              <EffectShown key={i} effect={e} />
            ))}
            {!shown.effects.length && <Empty title={t("found.noEffects")} />}
          </div>
        )}
      </Drawer>
    </>
  );
}

function To({ effects }: { effects: Effect[] }) {
  const t = useText();
  const { shown, more } = few([...new Set(effects.flatMap((e) => e.recipients ?? []))], 2);
  if (!shown.length) return <span className="muted">–</span>;
  return (
    <span className="anywhere">
      {shown.join(t.lang === "zh" ? "、" : ", ")} {more > 0 && t("found.more", { n: more })}
    </span>
  );
}

function EffectShown({ effect: e }: { effect: Effect }) {
  const t = useText();
  return (
    <section className="stack" style={{ gap: 10 }}>
      <div className="row">
        <KindIcon kind={e.kind} />
        <strong>{t.any(`effect.${e.kind}`, e.kind)}</strong>
        <State tone={effectTones[e.state]}>{t(`would.${e.state}`)}</State>
        <span className="muted small">
          <Time at={e.at} show="exact" plain />
        </span>
      </div>
      {e.reason && <p className="flat">{e.reason}</p>}
      {e.content ? <ContentShown content={e.content} /> : <p className="flat anywhere">{[e.title, e.recipients?.join(", ")].filter(Boolean).join(" → ")}</p>}
    </section>
  );
}
