// What a rule would do, as it would go out.
import type { Schemas } from "@/api/client";
import { State, Time } from "@/kit";
import { useEditor } from "./editor";
import { numbered } from "./facts";
import { Icon } from "./icons";
import { useText } from "../texts";

type Run = Schemas["automation"]["TrialRun"];
type Effect = Run["effects"][number];

export function Effects({ run }: { run: Run }) {
  const t = useText();
  if (!run.effects.length) return <p className="muted">{run.reason || t("noEffects")}</p>;
  return (
    <ol className="rd-effects">
      {run.effects.map((e, i) => (
        <One key={i} effect={e} />
      ))}
      {run.reason && <li className="muted">{run.reason}</li>}
    </ol>
  );
}

function One({ effect: e }: { effect: Effect }) {
  const t = useText();
  const { rule } = useEditor();
  const step = numbered(rule).find((s) => s.id === e.step);
  const mail = e.content?.mail;
  const notice = e.content?.notice;
  const rest = e.content && Object.entries(e.content).filter(([k]) => k !== "mail" && k !== "notice");
  return (
    <li>
      <div className="row">
        <Icon of={step?.kind ?? e.kind} />
        <strong>
          {step?.n} {t.any(`effect.${e.kind}`, e.kind)}
        </strong>
        {e.state !== "shadow" && <State tone={e.state === "failed" ? "bad" : "warn"}>{t.any(`effectState.${e.state}`, e.state)}</State>}
        <span className="grow" />
        <Time at={e.at} show="exact" />
      </div>
      {e.reason && <p className="rd-hint">{e.reason}</p>}
      {mail ? (
        <article className="rd-sample">
          <dl>
            <dt>{t("param.to")}</dt>
            <dd>{mail.to.map((p) => (p.name ? `${p.name} <${p.address}>` : p.address)).join(", ")}</dd>
            <dt>{t("param.subject")}</dt>
            <dd>
              <strong>{mail.subject}</strong>
            </dd>
            {Boolean(mail.files?.length) && (
              <>
                <dt>{t("param.files")}</dt>
                <dd>{mail.files!.map((f) => f.name).join(", ")}</dd>
              </>
            )}
          </dl>
          {mail.html_url ? <iframe sandbox="" title={mail.subject} src={mail.html_url} /> : <div className="rd-mailtext">{mail.text}</div>}
        </article>
      ) : (
        <article className="rd-sample">
          <div>{e.title}</div>
          {e.recipients?.length ? <div className="muted small">→ {e.recipients.join(", ")}</div> : null}
          {notice && <div className="rd-mailtext">{[notice.text, ...(notice.facts ?? []).map((f) => `${f.name}: ${f.value}`)].filter(Boolean).join("\n")}</div>}
          {rest?.map(([k, v]) => <Plain key={k} value={v as Record<string, unknown>} />)}
        </article>
      )}
    </li>
  );
}

/** Names and values of what has no picture of its own. */
function Plain({ value }: { value: Record<string, unknown> }) {
  const t = useText();
  const rows = Object.entries(value).filter(([, v]) => v !== null && v !== "" && !(Array.isArray(v) && !v.length));
  return (
    <dl className="rd-plain">
      {rows.map(([k, v]) => (
        <div key={k}>
          <dt>{t.any(`param.${k}`, k)}</dt>
          <dd>{typeof v === "object" ? (Array.isArray(v) && v.every((x) => typeof x === "string") ? v.join(", ") : Object.entries(v as object).map(([a, b]) => `${a}: ${typeof b === "object" ? JSON.stringify(b) : String(b)}`).join("\n")) : String(v)}</dd>
        </div>
      ))}
    </dl>
  );
}
