import { said } from "@/api/said";
import { number, Panel, State, Time, type Tone } from "@/kit";
import { levelTones } from "../connections/tones";
import type { State as Overview } from "./Standing";
import { useText } from "./texts";

const tones: Record<Overview["nodes"][number]["state"], Tone> = { up: "good", stopped: "plain", lost: "bad" };

/** The machines that the gateway runs on, and what they checked of themselves. */
export function Machines({ overview: o }: { overview: Overview }) {
  const t = useText();
  return (
    <Panel title={t("machines")} extra={o.sessions && <span className="small muted">{t("sessions", { smtp: number(o.sessions.smtp, t.lang), imap: number(o.sessions.imap, t.lang) })}</span>} flush>
      <ul className="plain-list" id="nodes">
        {o.nodes.map((n) => (
          <li key={n.name}>
            <div className="grow">
              <div className="row">
                <strong>{n.host}</strong>
                {n.self && o.nodes.length > 1 && <span className="small muted">{t("thisNode")}</span>}
              </div>
              <div className="small muted">
                {t("version", { version: n.version })} · {n.roles.map((r) => t.any(`role.${r}`, r)).join(t.lang === "zh" ? "、" : ", ")} ·{" "}
                {n.state === "up" ? t.rich("upSince", { time: <Time at={n.started_at} /> }) : t.rich("seenAt", { time: <Time at={n.seen_at} /> })}
              </div>
            </div>
            <State tone={tones[n.state]}>{t(`node.${n.state}`)}</State>
          </li>
        ))}
        <li>
          <ul className="ov-checks" aria-label={t("checks")}>
            {o.checks.map((c) => (
              <li key={c.name}>
                <State tone={c.optional && c.level === "failed" ? "warn" : levelTones[c.level]}>{t.any(`check.${c.name}`, c.name)}</State>
                {(c.detail || c.remedy) && (
                  <span className="small muted ov-say">
                    {said(c.detail, t.lang)}
                    {c.level !== "ok" && c.remedy && ` ${said(c.remedy, t.lang)}`}
                  </span>
                )}
                {c.level !== "ok" && <span className="unseen">{t(`level.${c.level}`)}</span>}
              </li>
            ))}
          </ul>
        </li>
      </ul>
    </Panel>
  );
}
