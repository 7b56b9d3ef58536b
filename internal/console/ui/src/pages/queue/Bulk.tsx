import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { ConfirmAction, Problem } from "@/kit";
import type { Selection, useJobs } from "./jobs";
import { useText } from "./texts";

/**
 * Retries or discards many: those that were chosen, or all that pass the filter. It says first how many these are. All are retried only where
 * they failed: what waits for its time, such as the steps of rules, would else begin at once.
 */
export function Bulk({ selection, jobs, all, retries = true, discards = true, done }: { selection: Selection; jobs: ReturnType<typeof useJobs>; all?: boolean; retries?: boolean; discards?: boolean; done?: () => void }) {
  const t = useText();
  return (
    <>
      {retries && (
        <ConfirmAction title={t(all ? "retryAll" : "retryChosen")} confirm={t("retry")} body={<Count selection={selection} kind="retry" />} action={() => jobs.retry(selection).then(done)}>
          {t(all ? "retryAll" : "retry")}
        </ConfirmAction>
      )}
      {discards && (
        <ConfirmAction
          title={t(all ? "discardAll" : "discardChosen")}
          confirm={t("discard")}
          text={t("discardHint")}
          body={<Count selection={selection} kind="discard" />}
          reason="required"
          danger
          action={(reason) => jobs.discard(selection, reason).then(done)}
        >
          {t(all ? "discardAll" : "discard")}
        </ConfirmAction>
      )}
    </>
  );
}

/** How many it would be now; nothing is done. */
function Count({ selection, kind }: { selection: Selection; kind: "retry" | "discard" }) {
  const t = useText();
  const { data, error } = useQuery({
    queryKey: ["jobs preview", kind, selection] /* not below "queue": it is not asked again when something was done */,
    queryFn: ({ signal }) =>
      kind === "retry"
        ? ok(api.POST("/api/v1/queue/jobs/retry", { body: { ...selection, preview: true }, signal }))
        : ok(api.POST("/api/v1/queue/jobs/discard", { body: { ...selection, preview: true, reason: "preview" }, signal })),
    staleTime: 0,
    gcTime: 0,
  });
  if (error) return <Problem error={error} style={{ marginBottom: 12 }} />;
  const able = data && data.matched - data.skipped.length;
  return (
    <p role="status" style={{ margin: "0 0 12px", minHeight: 22 }}>
      {able === undefined ? t("counting") : able === 0 ? t(`${kind}None`) : t(`${kind}Count`, { n: able })}
    </p>
  );
}
