import { said } from "@/api/said";
import { State, Time, type Column } from "@/kit";
import { tones, type Job } from "./jobs";
import type { useText } from "./texts";

type Text = ReturnType<typeof useText>;

/** When something happens next with a job, or happened last. */
export function When({ job: j, t }: { job: Job; t: Text }) {
  if (j.blocked) return <>{t("blocked")}</>;
  if (j.state === "running") return <>{t("now")}</>;
  if (j.state === "discarded" || j.state === "cancelled" || j.state === "completed") return <>{t.rich("ended", { time: <Time at={j.finished_at ?? j.run_at} /> })}</>;
  if (j.state === "available") return <>{t("due")}</>;
  return <>{t.rich(j.attempt ? "next" : "first", { time: <Time at={j.run_at} /> })}</>;
}

export function columns(t: Text): Column<Job>[] {
  return [
    {
      key: "what",
      title: t("job"),
      card: "first",
      width: 230,
      render: (j) => (
        <>
          <div>{t(`what.${j.what}`)}</div>
          {(j.target || j.account) && <div className="small muted q-any">{[j.account, j.target && t("to", { target: j.target })].filter(Boolean).join(" ")}</div>}
          {j.message_id && <div className="small muted q-any">{j.message_id}</div>}
        </>
      ),
    },
    { key: "state", title: t("stateOf"), width: 110, render: (j) => <State tone={tones[j.state]}>{t(`state.${j.state}`)}</State> },
    {
      key: "reason",
      title: t("reason"),
      card: "plain",
      render: (j) =>
        j.reason ? (
          <div className="q-any">
            <div>{said(j.reason, t.lang)}</div>
            {j.remedy && <div className="small muted">{said(j.remedy, t.lang)}</div>}
          </div>
        ) : (
          <span className="muted">–</span>
        ),
    },
    { key: "attempt", title: t("attempts"), width: 90, align: "right", render: (j) => (j.max_attempts ? t("attemptOf", { n: j.attempt, most: j.max_attempts }) : String(j.attempt)) },
    { key: "when", title: t("when"), width: 180, render: (j) => <When job={j} t={t} /> },
    { key: "age", title: t("age"), width: 120, render: (j) => <Time at={j.created_at} /> },
  ];
}
