import { Alert } from "antd";
import type { Schemas } from "@/api/client";
import { Copy, Panel } from "@/kit";
import { Programs } from "./Programs";
import { useText } from "./texts";

type Onboarding = Schemas["exchange"]["Onboarding"];
type Server = Schemas["exchange"]["MailServer"];

/** All that a person needs to set up a mail program. */
export function Settings({ of: o }: { of: Onboarding }) {
  const t = useText();
  return (
    <div className="onboarding-grid">
      <div className="stack">
        {[...new Set(o.problems)].map((p) => <Alert key={p} type="warning" showIcon title={t("missing")} description={p} />)}
        <Programs of={o} />
      </div>
      <div className="stack">
        <Panel title={t("password")}>
          <p style={{ margin: 0 }}>{o.password.text[t.lang]}</p>
          {o.password.url && /^https?:/.test(o.password.url) && (
            <p style={{ margin: "8px 0 0" }}>
              <a href={o.password.url} target="_blank" rel="noreferrer">
                {t("passwordMore")}
              </a>
            </p>
          )}
        </Panel>
        {o.incoming[0] && <ServerPanel server={o.incoming[0]} others={o.incoming.slice(1)} />}
        {o.outgoing[0] && <ServerPanel server={o.outgoing[0]} others={o.outgoing.slice(1)} />}
        {o.support && (
          <Panel title={t("support")}>
            <a href={`mailto:${o.support}`}>{o.support}</a>
          </Panel>
        )}
      </div>
    </div>
  );
}

function ServerPanel({ server: s, others }: { server: Server; others: Server[] }) {
  const t = useText();
  const security = (x: Server) => t(`tls.${x.tls}`);
  const line = (name: string, value: string) => (
    <div>
      <dt>{name}</dt>
      <dd>
        <span className="mono">{value}</span>
        <Copy text={value} label={t("copyOf", { name })} />
      </dd>
    </div>
  );
  return (
    <Panel title={t(`server.${s.protocol}`)}>
      <dl className="onboarding-facts">
        {line(t("host"), s.host)}
        {line(t("port"), String(s.port))}
        <div>
          <dt>{t("security")}</dt>
          <dd>{security(s)}</dd>
        </div>
        {line(t("user"), s.user)}
      </dl>
      {others.length > 0 && <p className="small muted onboarding-others">{t("or", { others: others.map((x) => `${x.host} ${x.port} ${security(x)}`).join(t.lang === "zh" ? "；" : "; ") })}</p>}
    </Panel>
  );
}
