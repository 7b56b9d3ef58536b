// One CRM: how it stands, what it can do, what went wrong, how far its contacts are followed, and what the vendor must know.
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { api, ok } from "@/api/client";
import { said } from "@/api/said";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, Copy, Empty, Facts, Head, number, Panel, State, Time } from "@/kit";
import { Deeds, type Target } from "./deeds";
import { Meters } from "./Meters";
import { standing, Why } from "./Targets";
import { useText } from "./texts";
import { targetTones } from "./tones";
import "./connections.css";

export default function TargetPage() {
  const t = useText();
  const name = useParams().name ?? "";
  const query = useQuery({
    queryKey: ["targets", name],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/targets/{name}", { params: { path: { name } }, signal })),
    refetchInterval: 10_000,
  });
  useLiveQueries(["target", "queue"], ["targets"]);
  const x = query.data;
  return (
    <>
      <Head
        back={{ to: "/connections", title: t("title") }}
        title={
          <span className="row">
            {name}
            {x && <State tone={targetTones[x.state]}>{t(`state.${x.state}`)}</State>}
          </span>
        }
        actions={x && <Deeds target={x} all />}
      >
        {x && [t.any(`type.${x.type}`, x.type), x.url].filter(Boolean).join(" · ")}
      </Head>
      <Async query={query}>{(target) => <Details target={target} />}</Async>
    </>
  );
}

function Details({ target: x }: { target: Target }) {
  const t = useText();
  const may = useMay();
  return (
    <div className="cn-two">
      <div className="stack">
        <Panel title={t("standing")} extra={may("overview.read") && <Link to={`/?target=${encodeURIComponent(x.name)}`}>{t("overTime")}</Link>}>
          <Why target={x} />
          <Facts rows={[...standing(x, t), [t("lastError"), x.last_error_at && <Time key="e" at={x.last_error_at} />]]} />
        </Panel>
        <Panel title={t("errors")} flush>
          {x.recent_errors.length === 0 ? (
            <Empty title={t("noErrors")}>{t("noErrorsHint")}</Empty>
          ) : (
            <ul className="plain-list">
              {x.recent_errors.map((e, i) => (
                <li key={i} style={{ alignItems: "flex-start" }}>
                  <div className="grow">
                    <strong className="cn-any">{said(e.reason, t.lang)}</strong>
                    <div>{said(e.remedy, t.lang)}</div>
                    <div className="small muted">{t.rich("times", { times: number(e.count, t.lang), time: <Time at={e.last_at} /> })}</div>
                  </div>
                  <State tone={e.state === "discarded" ? "bad" : "warn"}>{e.state === "discarded" ? t("givenUp") : t("retried")}</State>
                </li>
              ))}
            </ul>
          )}
        </Panel>
      </div>
      <div className="stack">
        <Panel title={t("limits")}>{x.limits.length > 0 ? <Meters meters={x.limits} /> : <span className="muted">{t("noLimits")}</span>}</Panel>
        {x.contacts && <Contacts contacts={x.contacts} />}
        <Panel title={t("capabilities")}>
          {x.capabilities.length === 0 ? (
            <span className="muted">{t("noCapabilities")}</span>
          ) : (
            <ul className="cn-can">
              {x.capabilities.map((c) => (
                <li key={c}>{t(`can.${c}`)}</li>
              ))}
            </ul>
          )}
        </Panel>
        {x.webhooks.length > 0 && (
          <Panel title={t("webhooks")}>
            {x.webhooks.map((w) => (
              <div key={w.url}>
                <div className="muted">{t("webhookHint", { purpose: said(w.purpose, t.lang) })}</div>
                <div className="row" style={{ flexWrap: "nowrap" }}>
                  <code className="cn-any">{absolute(w.url)}</code>
                  <Copy text={absolute(w.url)} label={t("copyWebhook")} />
                </div>
              </div>
            ))}
          </Panel>
        )}
      </div>
    </div>
  );
}

/** The gateway tells a path where it does not know its own address; this browser does. */
const absolute = (url: string) => (url.startsWith("/") ? location.origin + url : url);

function Contacts({ contacts: c }: { contacts: NonNullable<Target["contacts"]> }) {
  const t = useText();
  return (
    <Panel title={t("contacts")}>
      <Facts
        rows={[
          [t("stateOf"), <State key="s" tone={c.failures > 0 ? "warn" : c.complete ? "good" : "info"}>{c.failures > 0 ? t("sync.failing") : c.complete ? t("sync.follows") : t("sync.lists")}</State>],
          [t("reason"), c.failures > 0 && said(c.reason, t.lang)],
          [t("records"), number(c.records, t.lang)],
          [t("syncedAt"), c.synced_at && <Time key="y" at={c.synced_at} />],
          [t("nextAt"), c.next_at && <Time key="n" at={c.next_at} />],
          [t("writes"), c.writes > 0 && number(c.writes, t.lang)],
          [t("merged"), c.merged > 0 && number(c.merged, t.lang)],
          [t("conflicts"), c.conflicts > 0 && <Link key="c" to="/review?tab=conflicts">{number(c.conflicts, t.lang)}</Link>],
          [t("duplicates"), c.duplicates > 0 && <Link key="d" to="/review?tab=duplicates">{number(c.duplicates, t.lang)}</Link>],
        ]}
      />
    </Panel>
  );
}
