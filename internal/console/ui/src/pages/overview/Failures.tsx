import { Button } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import type { Schemas } from "@/api/client";
import { said } from "@/api/said";
import { useMay } from "@/app/session";
import { number, Panel, State, Time } from "@/kit";
import { useText } from "./texts";

type Failure = Schemas["operations"]["Failure"];
const few = 5;

/** What failed, in the words of whoever refused, and what to do about it. */
export function Failures({ failures }: { failures: Failure[] }) {
  const t = useText();
  const may = useMay();
  const [all, setAll] = useState(false);
  const shown = all ? failures : failures.slice(0, few);
  return (
    <Panel title={t("failures")} flush>
      <ul className="plain-list">
        {shown.map((f, i) => (
          <li key={i} className="ov-failure">
            <div className="grow">
              <div className="ov-say">
                <strong>{said(f.reason, t.lang)}</strong>
              </div>
              {f.remedy && <div>{said(f.remedy, t.lang)}</div>}
              <div className="small muted">
                {[f.what && t(`what.${f.what}`), f.target].filter(Boolean).join(" · ")}
                {(f.what || f.target) && " · "}
                {t.rich("lastAt", { time: <Time at={f.last_at} /> })}
              </div>
            </div>
            <div className="ov-lag">
              <State tone={f.state === "discarded" ? "bad" : "warn"}>{f.state === "discarded" ? t("givenUp") : t("retried")}</State>
              {may("queue.read") ? <Link to={queueOf(f)}>{t("times", { n: f.count })}</Link> : <span className="small muted">{number(f.count, t.lang)}</span>}
            </div>
          </li>
        ))}
      </ul>
      {failures.length > few && (
        <div style={{ padding: "8px 16px", borderTop: "1px solid var(--hg-line)" }}>
          <Button type="link" style={{ padding: 0 }} onClick={() => setAll(!all)} aria-expanded={all}>
            {all ? t("fewer") : t("allFailures", { n: failures.length })}
          </Button>
        </div>
      )}
    </Panel>
  );
}

function queueOf(f: Failure) {
  const q = new URLSearchParams();
  if (f.state) q.set("state", f.state);
  if (f.what) q.set("what", f.what);
  if (f.target) q.set("target", f.target);
  return `/queue?${q}`;
}
