import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { said } from "@/api/said";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, Empty, Panel, State, Time } from "@/kit";
import { TrialButton } from "../connections/Trial";
import { levelTones } from "../connections/tones";
import { useText } from "./texts";

type Mailbox = Schemas["operations"]["Watched"];

/** Mailboxes that the gateway looks into by itself, as of departments. */
export function Watched({ only }: { only?: string }) {
  const t = useText();
  const query = useQuery({ queryKey: ["accounts", "watched"], queryFn: ({ signal }) => ok(api.GET("/api/v1/watched", { signal })), refetchInterval: 15_000 });
  useLiveQueries(["account"], ["accounts", "watched"]);
  const shown = (list: Mailbox[]) => list.filter((w) => !only || w.account.toLowerCase() === only);
  return (
    <Panel title={t("watched")} flush>
      <Async query={query} lines={4} empty={(d) => !shown(d.items).length && <Empty title={t("noWatched")}>{t("noWatchedHint")}</Empty>}>
        {({ items }) => (
          <ul className="plain-list">
            {shown(items).map((w) => (
              <Row key={`${w.account} ${w.mailbox}`} box={w} />
            ))}
          </ul>
        )}
      </Async>
    </Panel>
  );
}

function Row({ box: w }: { box: Mailbox }) {
  const t = useText();
  const may = useMay();
  return (
    <li className="ac-row">
      <div className="grow">
        <div className="row">
          <Link to={`/accounts/${encodeURIComponent(w.account.toLowerCase())}`}>
            <strong className="ac-any">{w.account}</strong>
          </Link>
          <span className="muted">{t.any(`folder.${w.mailbox.toLowerCase()}`, w.mailbox)}</span>
          <State tone={w.level ? levelTones[w.level] : "plain"}>{t(`watch.${w.state}`)}</State>
        </div>
        {w.detail && <div className="ac-any">{said(w.detail, t.lang)}</div>}
        <div className="small muted">
          {w.mail_at ? t.rich("mailAt", { time: <Time at={w.mail_at} /> }) : t("noMailYet")} · {w.synced_at ? t.rich("syncedAt", { time: <Time at={w.synced_at} /> }) : t("neverSynced")}
        </div>
      </div>
      {may("accounts.write") && (
        <TrialButton title={t("checkOf", { name: w.account })} hint={t("checkHint")} run={() => ok(api.POST("/api/v1/watched/{address}/check", { params: { path: { address: w.account } } }))}>
          {t("check")}
        </TrialButton>
      )}
    </li>
  );
}
