import { Alert, Button, Input, Radio, Select } from "antd";
import { useState } from "react";
import { Panel, Problem } from "@/kit";
import { ColumnRow } from "./ColumnRow";
import { useChangeImport, useImportOptions, type Import, type ImportChange } from "./data";
import { useText } from "./texts";

/** What each column means, and how to import. Each change is kept at once, so that what is missing is told at once. */
export function ColumnsStep({ job, back, check }: { job: Import; back: () => void; check: () => void }) {
  const t = useText();
  const options = useImportOptions();
  const change = useChangeImport(job.id);
  const set = (c: ImportChange) => change.mutate(c);
  const doubtful = job.mapping.filter((m) => m.field && (m.confidence ?? 1) < 0.8).length;
  const fields = (options.data?.fields ?? []).filter((f) => f.kinds.includes(job.kind));
  const unused = job.mapping.filter((m) => !m.field).length;
  return (
    <div className="stack">
      {job.problems.length > 0 && (
        <Alert
          type="error"
          showIcon
          title={t("beforeCheck")}
          description={
            <ul className="exchange-problems">
              {job.problems.map((p, i) => (
                <li key={i}>
                  {p.column !== undefined && <strong>{job.mapping[p.column]?.header || t("column", { n: p.column + 1 })}: </strong>}
                  {t(`problem.${p.code}`)}
                </li>
              ))}
            </ul>
          }
        />
      )}
      {change.error && <Problem error={change.error} />}
      <Panel
        title={t("columns")}
        flush
        extra={
          <>
            <Button onClick={back}>{t("back")}</Button>
            <Button type="primary" onClick={check} disabled={job.problems.length > 0} loading={change.isPending}>
              {t("next.check")}
            </Button>
          </>
        }
      >
        <p className="exchange-foot small muted">
          {t("columnsHint", { n: job.mapping.length - unused, all: job.mapping.length })} {doubtful > 0 && <strong className="exchange-doubt">{t("doubtful", { n: doubtful })}</strong>}
        </p>
        <ul className="exchange-columns">
          {job.mapping.map((m) => (
            <ColumnRow key={m.column} column={m} table={job.kind === "table"} fields={fields} taken={job.mapping} problem={job.problems.some((p) => p.column === m.column)} set={(field) => set({ mapping: [{ column: m.column, field }] })} />
          ))}
        </ul>
      </Panel>
      <Ways job={job} targets={options.data?.targets ?? []} set={set} />
    </div>
  );
}

/** What becomes of who is there already, whose the new ones are, and where it all goes. */
function Ways({ job, targets, set }: { job: Import; targets: string[]; set: (c: ImportChange) => void }) {
  const t = useText();
  const [owner, setOwner] = useState(job.owner ?? "");
  const [table, setTable] = useState(job.table ?? "");
  if (job.kind === "contacts_learn" && targets.length < 2) return null;
  return (
    <Panel title={t("ways")}>
      <div className="stack">
        {job.kind === "contacts_create" && (
          <>
            <Radio.Group value={job.duplicates} onChange={(e) => set({ duplicates: e.target.value as Import["duplicates"] })} aria-label={t("duplicates")} className="exchange-kinds">
              {(["skip", "update"] as const).map((d) => (
                <Radio key={d} value={d}>
                  <strong>{t(`duplicates.${d}`)}</strong>
                  <span className="muted small">{t(`duplicatesHint.${d}`)}</span>
                </Radio>
              ))}
            </Radio.Group>
            <div>
              <label htmlFor="owner">{t("owner")}</label>
              <Input id="owner" type="email" value={owner} onChange={(e) => setOwner(e.target.value)} onBlur={() => owner !== (job.owner ?? "") && set({ owner: owner.trim() })} onPressEnter={(e) => e.currentTarget.blur()} placeholder={t("ownerExample")} maxLength={320} style={{ maxWidth: 360, display: "block", marginTop: 4 }} />
              <span className="small muted">{t("ownerHint")}</span>
            </div>
          </>
        )}
        {job.kind === "contacts_learn" && (
          <div>
            <label htmlFor="target">{t("target")}</label>{" "}
            <Select id="target" value={job.target} onChange={(v) => set({ target: v })} options={targets.map((v) => ({ value: v, label: v }))} style={{ minWidth: 180 }} />
          </div>
        )}
        {job.kind === "table" && (
          <div>
            <label htmlFor="table">{t("tableName")}</label>
            <Input id="table" value={table} onChange={(e) => setTable(e.target.value)} onBlur={() => table.trim() && table !== job.table && set({ table: table.trim() })} onPressEnter={(e) => e.currentTarget.blur()} maxLength={100} style={{ maxWidth: 360, display: "block", marginTop: 4 }} />
            <span className="small muted">{t("tableNameHint")}</span>
          </div>
        )}
      </div>
    </Panel>
  );
}
