import { Link } from "react-router";
import { Copy, Panel } from "@/kit";
import { useText } from "./texts";

/** What holds for all operations. */
export function Intro({ operations }: { operations: number }) {
  const t = useText();
  const curl = `curl '${location.origin}/api/v1/me' \\\n  -H "Authorization: Bearer $HELIOGRAPH_TOKEN"`;
  return (
    <div className="stack">
      <Panel title={t("start")}>
        <p style={{ marginTop: 0 }}>{t.rich("startHint", { tokens: <Link to="/tokens" className="said">{t("tokens")}</Link> })}</p>
        <div className="snippet">
          <span className="small muted">{t("curl")}</span>
          <Copy text={curl} label={t("copyCurl")} />
          <pre className="mono">{curl}</pre>
        </div>
        <p>{t("everything", { n: operations })}</p>
      </Panel>
      <Panel title={t("rules")}>
        <dl className="facts">
          {(["auth", "errors", "paging", "versions", "limits", "times", "live"] as const).map((k) => (
            <Pair key={k} name={t(`rule.${k}`)} text={t(`ruleHint.${k}`)} />
          ))}
        </dl>
      </Panel>
    </div>
  );
}

function Pair({ name, text }: { name: string; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </>
  );
}
