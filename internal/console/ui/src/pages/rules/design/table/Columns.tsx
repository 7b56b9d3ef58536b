// Which columns a table has: what is in them, their headings, and how they are shown.
import { DownOutlined, PlusOutlined, RightOutlined, CloseOutlined } from "@ant-design/icons";
import { Button, Input, InputNumber, Select, Switch } from "antd";
import { useState } from "react";
import { useEditor, usePlace } from "../editor";
import { asList, asObj, asText, type Obj, type Path } from "../json";
import { useText } from "../../texts";
import { Field } from "./Cards";
import { ColumnSelect } from "./ColumnSelect";
import { freeKey, type Col } from "./columns";

export const kinds = ["text", "number", "money", "percent", "date", "datetime", "bool"] as const;
const totals = ["sum", "avg", "min", "max", "count", "none"] as const;
export const currencies = ["CNY", "USD", "EUR", "HKD", "JPY", "GBP"];

/** cols: what can be taken. computed: columns that are computed have a formula in the place of what they take. */
export function Columns({ at, cols, computed, none }: { at: Path; cols: Col[]; computed?: boolean; none?: string }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const list = asList(value).map(asObj);
  const put = (i: number, row: Obj | undefined) => {
    const next = list.flatMap((x, n) => (n !== i ? [x] : row ? [row] : []));
    write(next.length ? next : undefined);
  };
  const taken = list.map((c) => asText(c.from) || asText(c.key));
  const add = () => {
    const free = cols.find((c) => !taken.includes(c.key));
    write([...list, computed ? { key: freeKey("computed", [...cols.map((c) => c.key), ...list.map((c) => asText(c.key))]), expr: "" } : { key: free?.key ?? "" }]);
  };
  return (
    <div className="rd-rows">
      {!list.length && none && <p className="rd-hint">{none}</p>}
      {list.map((column, i) => (
        <ColumnRow key={i} column={column} put={(c) => put(i, c)} cols={cols} taken={taken} computed={computed} />
      ))}
      {!readOnly && (
        <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />} onClick={add}>
          {t("rep.addColumn")}
        </Button>
      )}
    </div>
  );
}

function ColumnRow({ column, put, cols, taken, computed }: { column: Obj; put: (c: Obj | undefined) => void; cols: Col[]; taken: string[]; computed?: boolean }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [more, setMore] = useState(false);
  const own = asText(column.from) || asText(column.key);
  const known = cols.find((c) => c.key === own);
  const name = asText(column.label) || known?.label || own;
  const with_ = (x: Obj) => put(Object.fromEntries(Object.entries({ ...column, ...x }).filter(([, v]) => v !== undefined)));
  const kind = asText(column.kind);
  return (
    <div className="rd-column" role="group" aria-label={t("rep.columnN", { name: name || "—" })}>
      <div className="rd-row three">
        {computed ? (
          <Formula value={asText(column.expr)} onChange={(expr) => with_({ expr })} cols={cols} />
        ) : (
          <ColumnSelect value={own} cols={cols.filter((c) => c.key === own || !taken.includes(c.key))} label={t("rep.column")} onChange={(v) => with_(column.from !== undefined ? { from: v ?? "" } : { key: v ?? "" })} />
        )}
        <Select aria-label={t("rep.kind")} disabled={readOnly} value={kind} options={["", ...kinds].map((k) => ({ value: k, label: t(`rep.kind.${k || "auto"}` as "rep.kind.auto") }))} onChange={(k) => with_({ kind: k || undefined, ...(k === "money" && !column.currency && !computed && { currency: "CNY" }) })} popupMatchSelectWidth={false} />
        <Input aria-label={t("rep.heading")} disabled={readOnly} placeholder={known?.label ?? t("rep.heading")} value={asText(column.label)} onChange={(e) => with_({ label: e.target.value || undefined })} />
        <span className="row rd-tight">
          <Button type="text" size="small" icon={more ? <DownOutlined aria-hidden /> : <RightOutlined aria-hidden />} aria-expanded={more} aria-label={t("rep.columnMore", { name })} onClick={() => setMore(!more)} />
          {!readOnly && <Button type="text" size="small" icon={<CloseOutlined aria-hidden />} aria-label={t("removeRow", { what: name })} onClick={() => put(undefined)} />}
        </span>
      </div>
      {more && (
        <div className="rd-grid rd-inset">
          {kind === "money" && (
            <Field label={t("rep.currency")}>
              <Select aria-label={t("rep.currency")} disabled={readOnly} allowClear showSearch value={asText(column.currency) || undefined} options={[...new Set([...currencies, ...(asText(column.currency) ? [asText(column.currency)] : [])])].map((c) => ({ value: c, label: t.any(`rep.currency.${c}`, c) }))} onChange={(currency?: string) => with_({ currency })} />
            </Field>
          )}
          <Field label={t("rep.decimals")}>
            <InputNumber aria-label={t("rep.decimals")} disabled={readOnly} min={0} max={10} precision={0} placeholder={t("rep.auto")} value={column.decimals === undefined ? null : Number(column.decimals)} onChange={(n) => with_({ decimals: n ?? undefined })} />
          </Field>
          <Field label={t("rep.total")}>
            <Select aria-label={t("rep.total")} disabled={readOnly} value={asText(column.total)} options={["", ...totals].map((k) => ({ value: k, label: t(`rep.total.${k || "auto"}` as "rep.total.auto") }))} onChange={(k) => with_({ total: k || undefined })} />
          </Field>
          <Field label={t("rep.align")}>
            <Select aria-label={t("rep.align")} disabled={readOnly} value={asText(column.align)} options={["", "left", "center", "right"].map((k) => ({ value: k, label: t(`rep.align.${k || "auto"}` as "rep.align.auto") }))} onChange={(k) => with_({ align: k || undefined })} />
          </Field>
          <Field label={t("rep.width")}>
            <InputNumber aria-label={t("rep.width")} disabled={readOnly} min={0} max={500} placeholder={t("rep.auto")} value={column.width === undefined ? null : Number(column.width)} onChange={(n) => with_({ width: n ?? undefined })} />
          </Field>
          {kind === "bool" && (
            <>
              <Field label={t("rep.yes")}>
                <Input aria-label={t("rep.yes")} disabled={readOnly} value={asText(column.yes)} onChange={(e) => with_({ yes: e.target.value || undefined })} />
              </Field>
              <Field label={t("rep.no")}>
                <Input aria-label={t("rep.no")} disabled={readOnly} value={asText(column.no)} onChange={(e) => with_({ no: e.target.value || undefined })} />
              </Field>
            </>
          )}
          <label className="row rd-switch">
            <Switch size="small" disabled={readOnly} checked={column.warn === true} onChange={(on) => with_({ warn: on || undefined })} aria-label={t("rep.warn")} /> {t("rep.warn")}
          </label>
        </div>
      )}
    </div>
  );
}

// A column whose key is no plain word stands in brackets.
const inFormula = (key: string) => (/^[\p{L}_][\p{L}\p{Nd}_.]*$/u.test(key) ? key : `[${key}]`);

/** How a column is computed of others, as in a table calculation; columns are put in by their headings. */
function Formula({ value, onChange, cols }: { value: string; onChange: (v: string) => void; cols: Col[] }) {
  const t = useText();
  const { readOnly } = useEditor();
  return (
    <div className="rd-formula">
      <Input aria-label={t("rep.formula")} disabled={readOnly} placeholder={t("rep.formulaExample")} value={value} onChange={(e) => onChange(e.target.value)} />
      {!readOnly && <Select size="small" aria-label={t("rep.putColumn")} placeholder={t("rep.putColumn")} value={null} options={cols.map((c) => ({ value: c.key, label: c.label }))} onChange={(k: string | null) => k && onChange(`${value}${value && !/[\s(]$/.test(value) ? " " : ""}${inFormula(k)}`)} popupMatchSelectWidth={false} />}
    </div>
  );
}
