import { Button } from "antd";
import { ConfirmAction, Panel, Problem } from "@/kit";
import { ApiProblem } from "@/api/problem";
import type { Import } from "./data";
import { Rows } from "./Rows";
import { Running } from "./Running";
import { Tally } from "./Tally";
import { useText } from "./texts";

/** What a start would change. */
export function CheckStep({ job, busy, back, check, cancel, start }: { job: Import; busy: boolean; back: () => void; check: () => void; cancel: () => void; start: () => Promise<unknown> }) {
  const t = useText();
  const { added, changed, refused } = job.counts;
  if (job.state === "checking") return <Running job={job} title={t("checking")} cancel={cancel} />;
  return (
    <div className="stack">
      {job.state === "failed" && <Problem error={failure(job)} />}
      <Panel
        title={job.state === "checked" ? t("wouldChange") : t("notChecked")}
        flush={job.state === "checked"}
        extra={
          <>
            <Button onClick={back}>{t("back")}</Button>
            {job.state !== "checked" && (
              <Button type="primary" loading={busy} onClick={check} disabled={job.problems.length > 0}>
                {t("checkNow")}
              </Button>
            )}
            {job.state === "checked" && (
              <ConfirmAction
                title={t("start")}
                text={
                  job.kind === "table"
                    ? t("startTable", { table: job.table ?? "", n: job.counts.read - refused })
                    : t("startText", { added, changed }) + (refused > 0 ? t("startRefused", { n: refused }) : "")
                }
                confirm={t("start")}
                button={{ type: "primary", disabled: job.problems.length > 0 || job.counts.read === refused }}
                action={start}
              >
                {t("start")}
              </ConfirmAction>
            )}
          </>
        }
      >
        {job.state === "checked" ? <Tally job={job} /> : <p style={{ margin: 0 }}>{t("notCheckedHint")}</p>}
      </Panel>
      {job.state === "checked" && job.counts.read > 0 && <Rows job={job} />}
    </div>
  );
}

/** Why a job failed, as a problem that has texts in both languages. */
export const failure = (job: Import) => new ApiProblem({ status: 0, code: job.problem_code ?? "internal", detail: job.problem ?? "" });
