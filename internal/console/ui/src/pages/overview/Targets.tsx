import { Link } from "react-router";
import type { Schemas } from "@/api/client";
import { said } from "@/api/said";
import { duration, Empty, number, Panel, State } from "@/kit";
import { targetTones } from "../connections/tones";
import { useText } from "./texts";

/** How long mail takes to each target now. */
export function Targets({ targets }: { targets: Schemas["operations"]["TargetLine"][] }) {
  const t = useText();
  return (
    <Panel title={t("targets")} flush>
      {targets.length === 0 ? (
        <Empty title={t("noTargets")}>{t("noTargetsHint")}</Empty>
      ) : (
        <ul className="plain-list">
          {targets.map((x) => (
            <li key={x.name} className="ov-target">
              <div className="grow">
                <Link to={`/connections/${encodeURIComponent(x.name)}`}>
                  <strong>{x.name}</strong>
                </Link>
                {x.reason && x.state !== "ok" ? (
                  <div className="small muted ov-say">{said(x.reason, t.lang)}</div>
                ) : (
                  <div className="small muted">
                    {t("queuedDead", { queued: number(x.queued, t.lang), dead: number(x.dead, t.lang) })}
                  </div>
                )}
              </div>
              <div className="ov-lag">
                <State tone={targetTones[x.state]}>{t(`target.${x.state}`)}</State>
                <span className="small muted">{x.lag_seconds ? t("lagNow", { time: duration(x.lag_seconds, t.lang) }) : t("noLag")}</span>
              </div>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
