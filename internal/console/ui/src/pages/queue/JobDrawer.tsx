import { Drawer, Select } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api, ok } from "@/api/client";
import { said } from "@/api/said";
import { useMay } from "@/app/session";
import { Async, ConfirmAction, Copy, Facts, State, Time, useNarrow } from "@/kit";
import { When } from "./columns";
import { tones, useJobs, type Job } from "./jobs";
import { useText } from "./texts";

/** One job beside the list: what it is about, why it waits, and what can be done with it. */
export function JobDrawer({ id, close }: { id: string | null; close: () => void }) {
  const t = useText();
  const narrow = useNarrow();
  const number = Number(id);
  const query = useQuery({
    queryKey: ["queue", "job", number],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/queue/jobs/{id}", { params: { path: { id: number } }, signal })),
    enabled: id !== null && Number.isInteger(number),
    refetchInterval: 15_000,
  });
  return (
    <Drawer open={id !== null} onClose={close} size={narrow ? "100%" : 520} title={query.data ? t(`what.${query.data.what}`) : t("job")} destroyOnHidden>
      <Async query={query}>{(j) => <Details job={j} />}</Async>
    </Drawer>
  );
}

function Details({ job: j }: { job: Job }) {
  const t = useText();
  const may = useMay();
  return (
    <div className="stack">
      <Facts
        rows={[
          [t("stateOf"), <State key="s" tone={tones[j.state]}>{t(`state.${j.state}`)}</State>],
          [t("when"), <When key="w" job={j} t={t} />],
          [t("reason"), j.reason && <span className="q-any">{said(j.reason, t.lang)}</span>],
          [t("remedy"), said(j.remedy, t.lang)],
          [t("target"), j.target && (may("targets.read") ? <Link to={`/connections/${encodeURIComponent(j.target)}`}>{j.target}</Link> : j.target)],
          [t("account"), j.account && (may("accounts.read") ? <Link to={`/accounts/${encodeURIComponent(j.account)}`}>{j.account}</Link> : j.account)],
          [t("message"), j.message && may("mail.read") && <Link to={`/messages/${encodeURIComponent(j.message)}`}>{t("openMessage")}</Link>],
          [t("story"), j.message_id && may("ledger.read") && <Link to={`/where?message_id=${encodeURIComponent(j.message_id)}`}>{t("openStory")}</Link>],
          [
            t("messageId"),
            j.message_id && (
              <span className="row" style={{ flexWrap: "nowrap" }}>
                <span className="mono small q-any">{j.message_id}</span>
                <Copy text={j.message_id} />
              </span>
            ),
          ],
          [t("attempts"), j.max_attempts ? t("attemptOf", { n: j.attempt, most: j.max_attempts }) : String(j.attempt)],
          [t("age"), <Time key="t" at={j.created_at} show="exact" />],
          [t("number"), <span key="n" className="mono">{j.id}</span>],
        ]}
      />
      {may("queue.write") && j.can.length > 0 && <Deeds job={j} />}
    </div>
  );
}

function Deeds({ job: j }: { job: Job }) {
  const t = useText();
  const may = useMay();
  const jobs = useJobs();
  const selection = { ids: [j.id] };
  return (
    <div className="row">
      {j.can.includes("retry") && (
        <ConfirmAction title={t("retry")} text={t("retryOne")} button={{ type: "primary" }} action={() => jobs.retry(selection)}>
          {t("retry")}
        </ConfirmAction>
      )}
      {j.can.includes("send_to") && may("targets.read") && <SendTo job={j} />}
      {j.can.includes("discard") && (
        <ConfirmAction title={t("discard")} text={t("discardHint")} reason="required" danger action={(reason) => jobs.discard(selection, reason)}>
          {t("discard")}
        </ConfirmAction>
      )}
    </div>
  );
}

/** Delivers the message to another target instead. */
function SendTo({ job: j }: { job: Job }) {
  const t = useText();
  const jobs = useJobs();
  const [to, setTo] = useState<string>();
  const { data } = useQuery({ queryKey: ["targets"], queryFn: ({ signal }) => ok(api.GET("/api/v1/targets", { signal })) });
  const others = data?.items.filter((x) => x.name !== j.target) ?? [];
  const target = to ?? others[0]?.name;
  if (!target) return null;
  return (
    <ConfirmAction
      title={t("sendTo")}
      text={t("sendToHint", { from: j.target ?? "" })}
      reason="optional"
      body={
        <div style={{ marginBottom: 12 }}>
          <label htmlFor="send-to" style={{ display: "block", marginBottom: 4 }}>
            {t("target")}
          </label>
          <Select id="send-to" value={target} onChange={setTo} options={others.map((x) => ({ value: x.name, label: x.name }))} style={{ width: "100%" }} />
        </div>
      }
      action={(reason) => jobs.sendTo(j.id, target, reason)}
    >
      {t("sendTo")}
    </ConfirmAction>
  );
}
