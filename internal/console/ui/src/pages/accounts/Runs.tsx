import { App, Button, Progress } from "antd";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { said } from "@/api/said";
import { asProblem, words } from "@/api/problem";
import { useMay } from "@/app/session";
import { ConfirmAction, Empty, Loading, number, Panel, Problem, size, State, Time, type Tone } from "@/kit";
import { StartRun } from "./StartRun";
import { useText } from "./texts";
import type { Detail } from "./words";

type Run = Schemas["operations"]["Run"];
const tones: Record<Run["state"], Tone> = { running: "info", done: "good", failed: "bad", cancelled: "plain", lost: "warn" };

/** Backfills and reconciliations of an account: how far they are, and how they ended. */
export function Runs({ account: a }: { account: Detail }) {
  const t = useText();
  const may = useMay();
  const query = useInfiniteQuery({
    queryKey: ["accounts", "one", a.address, "runs"],
    queryFn: ({ pageParam, signal }) => ok(api.GET("/api/v1/accounts/{address}/runs", { params: { path: { address: a.address }, query: { limit: 10, cursor: pageParam || undefined } }, signal })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next || undefined,
    refetchInterval: (q) => (q.state.data?.pages.some((p) => p.items.some((r) => r.state === "running")) ? 2000 : 30_000),
  });
  const runs = query.data?.pages.flatMap((p) => p.items);
  return (
    <Panel title={t("runs")} extra={may("accounts.write") && <StartRun account={a} />} flush>
      {!runs ? (
        query.error ? (
          <Problem error={query.error} again={() => void query.refetch()} />
        ) : (
          <Loading lines={2} />
        )
      ) : runs.length === 0 ? (
        <Empty title={t("noRuns")}>{t("noRunsHint")}</Empty>
      ) : (
        <ul className="plain-list">
          {runs.map((r) => (
            <Row key={r.id} run={r} />
          ))}
        </ul>
      )}
      {query.hasNextPage && (
        <div style={{ padding: "8px 16px" }}>
          <Button loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            {t("more")}
          </Button>
        </div>
      )}
    </Panel>
  );
}

function Row({ run: r }: { run: Run }) {
  const t = useText();
  const may = useMay();
  const client = useQueryClient();
  const { message } = App.useApp();
  const through = r.captured + r.excluded + r.gone + r.failed;
  const cancel = async () => {
    try {
      await ok(api.POST("/api/v1/account-runs/{id}/cancel", { params: { path: { id: r.id } } }));
    } catch (e) {
      void message.info(words(asProblem(e), t.lang).detail);
    }
    await client.invalidateQueries({ queryKey: ["accounts"] });
  };
  const running = r.state === "running";
  return (
    <li className="ac-row" style={{ alignItems: "flex-start" }}>
      <div className="grow">
        <div className="row">
          <strong>{t(r.dry_run ? "run.dry" : `run.${r.kind}`)}</strong>
          <State tone={tones[r.state]}>{t(`runState.${r.state}`)}</State>
          <span className="small muted">
            <Time at={r.started_at} />
            {r.started_by && ` · ${r.started_by}`}
          </span>
        </div>
        {running && (
          <Progress
            percent={r.total > 0 ? Math.floor((through / r.total) * 100) : 0}
            size="small"
            status="active"
            aria-label={t("progress", { done: through, total: r.total })}
            format={() => t("progress", { done: through, total: r.total })}
            className="ac-progress"
          />
        )}
        <div className="small">
          {t("runCounts", { captured: r.captured, excluded: r.excluded, gone: r.gone, failed: r.failed })}
          {r.bytes > 0 && ` · ${size(r.bytes, t.lang)}`}
          {running && r.mailbox && ` · ${t("atMailbox", { name: t.any(`folder.${r.mailbox.toLowerCase()}`, r.mailbox) })}`}
        </div>
        {r.waits_until && running && (
          <div className="small muted">
            {t.rich("waitsUntil", { time: <Time at={r.waits_until} /> })} {said(r.note, t.lang)}
          </div>
        )}
        {r.error && <div className="ac-any">{said(r.error, t.lang)}</div>}
        {r.rows.length > 0 && <Boxes run={r} />}
      </div>
      {running && may("accounts.write") && (
        <ConfirmAction title={t("cancelRun")} text={t("cancelRunHint")} button={{ size: "small" }} action={cancel}>
          {t("cancelRun")}
        </ConfirmAction>
      )}
    </li>
  );
}

/** What came of each mailbox. */
function Boxes({ run: r }: { run: Run }) {
  const t = useText();
  return (
    <details className="ac-boxes">
      <summary>{t("perMailbox", { n: r.rows.length })}</summary>
      <ul>
        {r.rows.map((b) => (
          <li key={b.mailbox} className="small">
            <strong>{t.any(`folder.${b.mailbox.toLowerCase()}`, b.mailbox)}</strong>{" "}
            {b.skipped ? said(b.skipped, t.lang) : t("boxCounts", { messages: number(b.messages, t.lang), captured: b.captured, missing: b.missing, failed: b.failed })}
            {b.failures?.slice(0, 5).map((f) => (
              <div key={f.uid} className="muted ac-any">
                {said(f.reason, t.lang)}
              </div>
            ))}
          </li>
        ))}
      </ul>
    </details>
  );
}
