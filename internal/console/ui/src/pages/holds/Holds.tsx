// The kill switch: for all rules, for one rule, for mail to one domain.
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Async, ConfirmAction, Empty, Head, Panel, Time } from "@/kit";
import { AddHold } from "./AddHold";
import { Everything } from "./Everything";
import { useText } from "./texts";
import { useHolds } from "./useHolds";
import { useRuleNames } from "./useRuleNames";
import "./holds.css";

type Hold = Schemas["automation"]["Hold"];

export default function Holds() {
  const t = useText();
  const may = useMay();
  const holds = useHolds();
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <Async query={holds} lines={8}>
        {({ all, items }) => (
          <div className="stack">
            <Everything on={all} hold={items.find((h) => h.scope === "all")} />
            <div className="holds-columns">
              <Panel title={t("rules")} extra={may("rules.hold") && <AddHold scope="rule" held={items} />} flush>
                <List items={items.filter((h) => h.scope === "rule")} none={t("noRules")} hint={t("rulesHint")} />
              </Panel>
              <Panel title={t("domains")} extra={may("rules.hold") && <AddHold scope="domain" held={items} />} flush>
                <List items={items.filter((h) => h.scope === "domain")} none={t("noDomains")} hint={t("domainsHint")} />
              </Panel>
            </div>
            {items.some((h) => h.scope === "message") && (
              <p className="muted">
                {t("messages", { n: items.filter((h) => h.scope === "message").length })} {may("outbox.read") && <Link to="/outbox?state=held">{t("toOutbox")}</Link>}
              </p>
            )}
          </div>
        )}
      </Async>
    </>
  );
}

function List({ items, none, hint }: { items: Hold[]; none: string; hint: string }) {
  if (!items.length) return <Empty title={none}>{hint}</Empty>;
  return (
    <ul className="plain-list">
      {items.map((h) => (
        <One key={`${h.scope} ${h.name ?? ""}`} hold={h} />
      ))}
    </ul>
  );
}

function One({ hold: h }: { hold: Hold }) {
  const may = useMay();
  const name = useRuleName(h);
  return (
    <li>
      <div className="grow">
        <strong style={{ overflowWrap: "anywhere" }}>{h.scope === "rule" ? <Link to={`/rules/${encodeURIComponent(h.name ?? "")}`}>{name}</Link> : h.name}</strong>
        <div style={{ overflowWrap: "anywhere" }}>{h.reason}</div>
        <HeldBy hold={h} />
      </div>
      {may("rules.hold") && <Release hold={h} name={name} />}
    </li>
  );
}

/** Who holds it, and since when. */
export function HeldBy({ hold: h }: { hold: Hold }) {
  const t = useText();
  return (
    <div className="muted small">
      {h.origin && t("by", { who: h.origin })} {h.at && <Time at={h.at} />}
      {h.rules && !h.mail && <> · {t("onlyRules")}</>}
      {h.mail && !h.rules && h.scope !== "domain" && <> · {t("onlyMail")}</>}
    </div>
  );
}

export function Release({ hold: h, name, large }: { hold: Hold; name: string; large?: boolean }) {
  const t = useText();
  const client = useQueryClient();
  const again = () => Promise.all([client.invalidateQueries({ queryKey: ["holds"] }), client.invalidateQueries({ queryKey: ["outbox"] }), client.invalidateQueries({ queryKey: ["rules"] })]);
  const scope = h.scope === "message" ? "rule" : h.scope;
  return (
    <ConfirmAction
      title={h.scope === "all" ? t("release.all") : t("release.title", { name })}
      text={t(h.scope === "domain" ? "release.domain" : "release.text")}
      confirm={t("release")}
      button={large ? { type: "primary", size: "large" } : {}}
      action={() => ok(api.POST("/api/v1/holds/release", { body: { scope, ...(h.name && { name: h.name }) } })).then(again)}
    >
      {t("release")}
    </ConfirmAction>
  );
}

/** The name of a held rule; of anything else its own. */
function useRuleName(h: Hold) {
  const { data } = useRuleNames();
  return h.scope === "rule" ? (data?.items.find((r) => r.id === h.name)?.name ?? h.name ?? "") : (h.name ?? "");
}
