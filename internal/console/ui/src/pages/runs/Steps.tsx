// The steps of a run in their order, each with what it gave and what it did outside.
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { duration, Empty, State, Time } from "@/kit";
import { Values } from "@/pages/rule-flow/ContentShown";
import { KindIcon } from "@/pages/rule-flow/icons";
import { effectTones, few, say, stepTones } from "@/pages/rule-flow/words";
import { Said } from "@/pages/rule-flow/Said";
import { useText } from "./texts";

type RuleRun = Schemas["automation"]["RuleRun"];
type Step = RuleRun["steps"][number];
type Effect = RuleRun["effects"][number];

export function Steps({ run: r }: { run: RuleRun }) {
  const t = useText();
  const names = useOutputNames();
  const own = new Set(r.steps.map((s) => s.path));
  const others = r.effects.filter((e) => !own.has(e.path));
  if (!r.steps.length && !others.length) return <Empty title={t("noSteps")}>{t(r.state === "waiting" ? "noStepsWaiting" : "noStepsHint")}</Empty>;
  return (
    <ol className="steps" aria-label={t("steps")}>
      {r.steps.map((s) => (
        <StepShown key={s.path} step={s} effects={r.effects.filter((e) => e.path === s.path)} names={names(s.kind)} />
      ))}
      {others.map((e) => (
        <li key={e.id}>
          <span className="dot">
            <KindIcon kind={e.kind} />
          </span>
          <div className="what">
            <EffectShown effect={e} />
          </div>
        </li>
      ))}
    </ol>
  );
}

/** A loop's rounds and nested rows stand further in. */
const depth = (path: string) => Math.min(4, path.split(/\.(?=\d+$|else|\d+\.)/).length - 1);
const round = (path: string) => /.*\[(\d+)\]/.exec(path)?.[1];

function StepShown({ step: s, effects, names }: { step: Step; effects: Effect[]; names: Record<string, string> }) {
  const t = useText();
  const took = (new Date(s.changed_at).getTime() - new Date(s.began_at).getTime()) / 1000;
  // Only what the rule's author can use has a name; the rest (entries, ids of messages) is of no use to people.
  const output = Object.fromEntries(Object.entries(s.output ?? {}).filter(([name, v]) => v !== null && v !== "" && name !== "message_id" && name !== "html" && (names[name] ?? names["*"])));
  const rounds = round(s.path);
  return (
    <li data-state={s.state} style={{ marginLeft: depth(s.path) * 18 }}>
      <span className="dot">
        <KindIcon kind={s.kind} />
      </span>
      <div className="what">
        <div className="row">
          <strong>
            <Said text={say(s.label, t.lang)} />
          </strong>
          {rounds !== undefined && <span className="muted small">{t("round", { n: Number(rounds) + 1 })}</span>}
          <State tone={stepTones[s.state]}>{t(`step.${s.state}`)}</State>
          <span className="grow" />
          <span className="muted small">
            <Time at={s.began_at} />
            {s.state !== "waiting" && took >= 0.05 && <> · {t("tookShort", { time: duration(took, t.lang) })}</>}
          </span>
        </div>
        {s.reason && <p className="flat">{s.reason}</p>}
        {(s.attempts ?? 0) > 0 && <p className="flat muted small">{t("attempts", { n: s.attempts! })}</p>}
        {s.state === "waiting" && s.due_at && (
          <p className="flat muted">
            {t.rich("goesOn", { time: <Time at={s.due_at} show="exact" /> })} (<Time at={s.due_at} />)
          </p>
        )}
        {effects.map((e) => (
          <EffectShown key={e.id} effect={e} />
        ))}
        {Object.keys(output).length > 0 && (
          <details>
            <summary className="small">{t("output")}</summary>
            <div className="output">
              <Values values={output} names={names} />
            </div>
          </details>
        )}
      </div>
    </li>
  );
}

function EffectShown({ effect: e }: { effect: Effect }) {
  const t = useText();
  const may = useMay();
  const { shown, more } = few(e.recipients ?? []);
  return (
    <div className="effect">
      <div className="row">
        <span className="muted small">{t.any(`effect.${e.kind}`, e.kind)}</span>
        {e.title && <span style={{ overflowWrap: "anywhere" }}>{e.title}</span>}
        <State tone={effectTones[e.state]}>{t(`effect.${e.state}`)}</State>
      </div>
      {shown.length > 0 && (
        <div className="small" style={{ overflowWrap: "anywhere" }}>
          {t("to")} {shown.join(t.lang === "zh" ? "、" : ", ")} {more > 0 && <span title={e.recipients?.join("\n")}>{t("andMore", { n: more })}</span>}
        </div>
      )}
      {e.reason && <div className="small">{e.reason}</div>}
      {e.outbox_entry && may("outbox.read") && (
        <Link className="small" to={`/outbox/${encodeURIComponent(e.outbox_entry)}`}>
          {t("openOutbox")}
        </Link>
      )}
    </div>
  );
}

/** What the values that steps give are called. */
function useOutputNames() {
  const t = useText();
  const { data } = useQuery({ queryKey: ["rules", "vocabulary"], queryFn: ({ signal }) => ok(api.GET("/api/v1/rules/vocabulary", { signal })), staleTime: 600_000 });
  const byKind = useMemo(() => new Map((data?.steps ?? []).map((s) => [s.kind, Object.fromEntries(s.outputs.map((o) => [o.name, say(o.label, t.lang)]))])), [data, t.lang]);
  return (kind: string) => byKind.get(kind) ?? {};
}
