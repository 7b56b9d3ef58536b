// A chart of a table: what kind, along which column, of which numbers.
import { Input, Segmented, Select } from "antd";
import { useEditor, usePlace } from "../editor";
import { asObj, asText, texts, type Obj, type Path } from "../json";
import { useText } from "../../texts";
import { Field } from "./Cards";
import { ColumnSelect, ColumnsSelect } from "./ColumnSelect";
import { numeric, type Col } from "./columns";

/** A new chart of a table. */
export function freshChart(cols: Col[]): Obj {
  return { kind: "bar", category: (cols.find((c) => !numeric(c)) ?? cols[0])?.key ?? "", series: cols.filter((c) => c.kind === "money" || c.kind === "number").slice(0, 2).map((c) => c.key) };
}

export function Chart({ at, cols }: { at: Path; cols: Col[] }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const o = asObj(value);
  const put = (more: Obj) => write(Object.fromEntries(Object.entries({ ...o, ...more }).filter(([, v]) => v !== undefined)));
  const series = texts(o.series);
  const kind = asText(o.kind) || "bar";
  return (
    <div className="rd-grid">
      <Field label={t("rep.chartKind")}>
        <Segmented aria-label={t("rep.chartKind")} disabled={readOnly} value={kind} options={(["bar", "line", "pie"] as const).map((k) => ({ value: k, label: t(`rep.chart.${k}`) }))} onChange={(k) => put({ kind: k, ...(k === "pie" && { series: series.slice(0, 1) }) })} />
      </Field>
      <Field label={t("rep.chartTitle")} optional>
        <Input aria-label={t("rep.chartTitle")} disabled={readOnly} value={asText(o.title)} onChange={(e) => put({ title: e.target.value || undefined })} />
      </Field>
      <Field label={t(kind === "pie" ? "rep.slices" : "rep.axis")}>
        <ColumnSelect value={asText(o.category)} cols={cols} label={t(kind === "pie" ? "rep.slices" : "rep.axis")} onChange={(v) => put({ category: v ?? "" })} />
      </Field>
      <Field label={t("rep.series")} wide={kind !== "pie"}>
        {kind === "pie" ? <ColumnSelect value={series[0] ?? ""} cols={cols} label={t("rep.series")} onChange={(v) => put({ series: v ? [v] : [] })} /> : <ColumnsSelect value={series} cols={cols} label={t("rep.series")} onChange={(v) => put({ series: v })} />}
      </Field>
    </div>
  );
}

/** The language of what operations and documents add of words. */
export function Language({ at }: { at: Path }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  return <Select aria-label={t("rep.language")} disabled={readOnly} value={asText(value)} options={(["", "zh", "en"] as const).map((k) => ({ value: k, label: t(`rep.language.${k || "auto"}` as "rep.language.auto") }))} onChange={(v) => write(v || undefined)} style={{ minWidth: 160 }} />;
}
