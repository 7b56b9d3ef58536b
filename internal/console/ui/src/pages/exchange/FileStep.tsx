import { Button, InputNumber, Select } from "antd";
import type { ReactNode } from "react";
import { Panel, Problem } from "@/kit";
import { useChangeImport, useImportOptions, type Import, type ImportChange } from "./data";
import { useText } from "./texts";

/** How the file was understood, and what is in it. */
export function FileStep({ job, next }: { job: Import; next: () => void }) {
  const t = useText();
  const options = useImportOptions();
  const change = useChangeImport(job.id);
  const set = (c: ImportChange) => change.mutate(c);
  const busy = change.isPending;
  const rows = job.preview?.rows ?? [];
  return (
    <Panel
      title={t("understood")}
      extra={
        <Button type="primary" onClick={next}>
          {t("next.columns")}
        </Button>
      }
      flush
    >
      <div className="exchange-settings">
        {job.format === "csv" ? (
          <>
            <Setting id="encoding" label={t("encoding")}>
              <Select id="encoding" disabled={busy} value={job.encoding} onChange={(v) => set({ encoding: v })} options={(options.data?.encodings ?? [job.encoding]).filter((e) => e !== "xlsx").map((e) => ({ value: e, label: t(`encoding.${e}`) }))} />
            </Setting>
            <Setting id="delimiter" label={t("delimiter")}>
              <Select id="delimiter" disabled={busy} value={job.delimiter ?? ","} onChange={(v) => set({ delimiter: v })} options={(options.data?.delimiters ?? [","]).map((d) => ({ value: d, label: t.any(`delimiter.${names[d] ?? ""}`, d) }))} />
            </Setting>
          </>
        ) : (
          <Setting id="sheet" label={t("sheet")}>
            <Select id="sheet" disabled={busy} value={job.sheet} onChange={(v) => set({ sheet: v })} options={job.sheets.map((s) => ({ value: s, label: s }))} />
          </Setting>
        )}
        <Setting id="header" label={t("headerRow")}>
          <InputNumber id="header" disabled={busy} min={1} max={20} value={job.header_row ?? null} placeholder={t("headerNone")} onChange={(v) => v && set({ header_row: v })} />
        </Setting>
      </div>
      {change.error && <Problem error={change.error} style={{ margin: 16 }} />}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls, so the keyboard must reach it */}
      <div className="exchange-preview" aria-busy={busy} role="region" aria-label={t("preview")} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th className="exchange-line" scope="col">
                <span className="unseen">{t("line")}</span>
              </th>
              {(job.preview?.header ?? []).map((h, i) => (
                <th key={i} scope="col">
                  {h || <span className="muted">{t("column", { n: i + 1 })}</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((r, i) => (
              <tr key={i}>
                <td className="exchange-line muted">{(job.header_row ?? 0) + i + 1}</td>
                {r.map((cell, c) => (
                  <td key={c}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="exchange-foot small muted">
        {t("previewHint", { n: rows.length })} {job.format === "csv" && t("encodingHint")} {job.preview?.ragged && t("ragged")}
      </p>
    </Panel>
  );
}

const names: Record<string, string> = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar" };

function Setting({ id, label, children }: { id: string; label: string; children: ReactNode }) {
  return (
    <div>
      <label htmlFor={id}>{label}</label>
      {children}
    </div>
  );
}
