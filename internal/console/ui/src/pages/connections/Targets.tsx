import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok } from "@/api/client";
import { said } from "@/api/said";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, duration, Empty, Facts, number, State, Time } from "@/kit";
import { Deeds, type Target } from "./deeds";
import { Meters } from "./Meters";
import { useText } from "./texts";
import { targetTones } from "./tones";

/** The CRMs, a card each. */
export function Targets() {
  const t = useText();
  const query = useQuery({ queryKey: ["targets"], queryFn: ({ signal }) => ok(api.GET("/api/v1/targets", { signal })), refetchInterval: 10_000 });
  useLiveQueries(["target", "queue"], ["targets"]);
  return (
    <Async query={query} empty={(d) => !d.items.length && <Empty title={t("noTargets")}>{t("noTargetsHint")}</Empty>}>
      {({ items }) => (
        <div className="cn-cards">
          {items.map((x) => (
            <Card key={x.name} target={x} />
          ))}
        </div>
      )}
    </Async>
  );
}

function Card({ target: x }: { target: Target }) {
  const t = useText();
  const to = `/connections/${encodeURIComponent(x.name)}`;
  return (
    <section className="panel" aria-label={x.name}>
      <header>
        <div className="grow">
          <h2>
            <Link to={to}>{x.name}</Link>
          </h2>
          <div className="small muted">{[t.any(`type.${x.type}`, x.type), x.url].filter(Boolean).join(" · ")}</div>
        </div>
        <State tone={targetTones[x.state]}>{t(`state.${x.state}`)}</State>
      </header>
      <div className="body">
        <Why target={x} />
        <Facts rows={standing(x, t)} />
        {x.limits.length > 0 && <Meters meters={x.limits} />}
        {x.recent_errors[0] && x.state !== "paused" && (
          <div className="cn-error">
            <strong>{said(x.recent_errors[0].reason, t.lang)}</strong>
            <span className="muted">{said(x.recent_errors[0].remedy, t.lang)}</span>
          </div>
        )}
        <div className="row">
          <Deeds target={x} />
          <span className="grow" />
          <Link to={to}>{t("details")}</Link>
        </div>
      </div>
    </section>
  );
}

/** Why it does not work as it should, and what to do. */
export function Why({ target: x }: { target: Target }) {
  const t = useText();
  if (x.state === "ok" || (!x.reason && !x.remedy)) return null;
  return (
    <div className="cn-why" data-tone={targetTones[x.state]}>
      <div className="cn-any">{said(x.reason, t.lang)}</div>
      {x.remedy && <div className="small">{said(x.remedy, t.lang)}</div>}
      {(x.paused_by || x.until) && (
        <div className="small">
          {x.paused_by && t.rich("pausedBy", { who: x.paused_by, time: <Time at={x.paused_at} /> })}
          {x.until && t.rich("until", { time: <Time at={x.until} /> })}
        </div>
      )}
    </div>
  );
}

/** How it stands, as names and values. */
export function standing(x: Target, t: ReturnType<typeof useText>): [string, React.ReactNode][] {
  const queue = (state: string, n: number) => <Count key={state} n={n} to={`/queue?${new URLSearchParams({ state, target: x.name })}`} permission="queue.read" />;
  return [
    [t("lastSuccess"), x.last_success_at ? <Time key="s" at={x.last_success_at} /> : t("never")],
    [t("lag"), x.lag_seconds ? duration(x.lag_seconds, t.lang) : t("noLag")],
    [t("queued"), queue("unfinished", x.queued)],
    [t("dead"), queue("discarded", x.dead)],
    [t("inReview"), x.waiting_for_review > 0 && <Count key="r" n={x.waiting_for_review} to="/review" permission="contacts.read" />],
  ];
}

function Count({ n, to, permission }: { n: number; to: string; permission: string }) {
  const t = useText();
  const may = useMay();
  const text = number(n, t.lang);
  return n > 0 && may(permission) ? <Link to={to}>{text}</Link> : text;
}
