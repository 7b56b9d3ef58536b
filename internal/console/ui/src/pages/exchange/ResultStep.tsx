import { DownloadOutlined } from "@ant-design/icons";
import { Alert, Button } from "antd";
import { Link } from "react-router";
import { Panel, Problem } from "@/kit";
import { failure } from "./CheckStep";
import type { Import } from "./data";
import { Rows } from "./Rows";
import { Running } from "./Running";
import { Tally } from "./Tally";
import { useText } from "./texts";

/** What was imported, and what not. */
export function ResultStep({ job, cancel, again }: { job: Import; cancel: () => void; again: () => void }) {
  const t = useText();
  if (job.state === "running") return <Running job={job} title={t("running")} cancel={cancel} />;
  const { added, changed, refused } = job.counts;
  return (
    <div className="stack">
      {job.state === "failed" && <Problem error={failure(job)} />}
      {job.state === "canceled" && <Alert type="warning" showIcon title={t("wasCanceled")} />}
      {job.state === "done" && <Alert type="success" showIcon title={job.kind === "table" ? (job.table_version ? t("doneTable", { table: job.table ?? "", version: job.table_version }) : t("doneTableSame")) : t("doneText", { n: added + changed })} />}
      <Panel
        title={t("result")}
        flush
        extra={
          <>
            {(job.state === "canceled" || job.state === "failed") && (
              <Button onClick={again} disabled={job.problems.length > 0}>
                {t("goOn")}
              </Button>
            )}
            {refused > 0 && (
              <Button icon={<DownloadOutlined aria-hidden />} href={`/api/v1/imports/${encodeURIComponent(job.id)}/refused?lang=${t.lang}`} download>
                {t("refusedFile", { n: refused })}
              </Button>
            )}
            {job.kind === "table" && job.table ? <Link to={`/exchange/tables/${encodeURIComponent(job.table)}`}>{t("seeTable")}</Link> : <Link to="/customers">{t("seeCustomers")}</Link>}
          </>
        }
      >
        <Tally job={job} />
        {refused > 0 && <p className="exchange-foot small muted">{t("refusedHint")}</p>}
      </Panel>
      {job.counts.read > 0 && <Rows job={job} />}
    </div>
  );
}
