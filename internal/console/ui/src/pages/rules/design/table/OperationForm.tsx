// The form of one operation on a table.
import { CloseOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Input, InputNumber, Segmented, Select, Switch } from "antd";
import { useEditor, usePlace } from "../editor";
import { asList, asObj, asText, texts, type Json, type Obj, type Path } from "../json";
import { useText } from "../../texts";
import { Field } from "./Cards";
import { Columns } from "./Columns";
import { ColumnSelect, ColumnsSelect } from "./ColumnSelect";
import { compared, freeKey, numeric, operationOf, type Col } from "./columns";
import { TableSelect } from "./TableSelect";
import { Tree } from "../Tree";
import type { Tables } from "./useColumns";

interface Form {
  o: Obj;
  put: (more: Obj) => void;
  cols: Col[];
  at: Path;
  w: Path;
  tables: Tables;
}

/** at: the operation. cols: the columns before it. */
export function OperationForm({ at, w, cols, tables }: { at: Path; w: Path; cols: Col[]; tables: Tables }) {
  const t = useText();
  const [value] = usePlace(at);
  const kind = operationOf(value);
  const [inner, write] = usePlace([...at, kind ?? ""]);
  const o = asObj(inner);
  const put = (more: Obj) => write(Object.fromEntries(Object.entries({ ...o, ...more }).filter(([, v]) => v !== undefined)));
  const form: Form = { o, put, cols, at: [...at, kind ?? ""], w, tables };
  switch (kind) {
    case "group":
      return <Group {...form} />;
    case "compare":
      return <Compare {...form} />;
    case "compute":
      return <Columns at={form.at} cols={cols} computed />;
    case "select":
      return <Columns at={form.at} cols={cols} />;
    case "join":
      return <Join {...form} />;
    case "sort":
      return <Sort at={form.at} cols={cols} />;
    case "top":
      return <Top {...form} />;
    case "pivot":
      return <Pivot {...form} />;
    case "totals":
      return <Totals {...form} />;
  }
  return <Tree at={at} label={t("rep.op.other")} />;
}

const list = (v: string[]): Json | undefined => (v.length ? v : undefined);

function Per({ o, put }: Pick<Form, "o" | "put">) {
  const t = useText();
  const { readOnly } = useEditor();
  return (
    <Field label={t("rep.per")} optional>
      <Select aria-label={t("rep.per")} disabled={readOnly} value={asText(o.per)} options={["", "day", "month", "quarter", "year"].map((k) => ({ value: k, label: t(`rep.per.${k || "none"}` as "rep.per.none") }))} onChange={(k) => put({ per: k || undefined })} />
    </Field>
  );
}

const aggregates = ["sum", "count", "avg", "min", "max", "distinct"] as const;

function Aggregate({ value, onChange }: { value: string; onChange: (v: string) => void }) {
  const t = useText();
  const { readOnly } = useEditor();
  return <Select aria-label={t("rep.aggregate")} disabled={readOnly} value={value} options={aggregates.map((k) => ({ value: k, label: t(`rep.do.${k}`) }))} onChange={onChange} />;
}

function Group({ o, put, cols }: Form) {
  const t = useText();
  const { readOnly } = useEditor();
  const values = asList(o.values).map(asObj);
  const change = (i: number, row: Obj | undefined) => put({ values: values.flatMap((x, n) => (n !== i ? [x] : row ? [Object.fromEntries(Object.entries(row).filter(([, v]) => v !== undefined))] : [])) });
  const label = (key: string) => cols.find((c) => c.key === key)?.label ?? key;
  const add = () => {
    const of = cols.find((c) => numeric(c) && !values.some((v) => v.of === c.key));
    const key = freeKey(of?.key ?? "count", [...texts(o.by), ...values.map((v) => asText(v.key))]);
    put({ values: [...values, of ? { key, do: "sum", of: of.key, label: of.label } : { key, do: "count" }] });
  };
  return (
    <div className="rd-grid">
      <Field label={t("rep.groupBy")} wide>
        <ColumnsSelect value={texts(o.by)} onChange={(v) => put({ by: v })} cols={cols} label={t("rep.groupBy")} />
      </Field>
      <Field label={t("rep.values")} wide>
        <div className="rd-rows">
          {values.map((v, i) => (
            <div className="rd-row three" key={i}>
              <Aggregate value={asText(v.do) || "sum"} onChange={(x) => change(i, { ...v, do: x, ...(x === "count" && { of: undefined, label: undefined }) })} />
              {v.do === "count" ? <span className="muted">{t("rep.ofRows")}</span> : <ColumnSelect value={asText(v.of)} cols={cols} label={t("rep.column")} onChange={(of) => change(i, { ...v, of: of ?? "", label: label(of ?? "") })} />}
              <Input aria-label={t("rep.heading")} disabled={readOnly} placeholder={t("rep.heading")} value={asText(v.label)} onChange={(e) => change(i, { ...v, label: e.target.value || undefined })} />
              {!readOnly && <Button type="text" size="small" icon={<CloseOutlined aria-hidden />} aria-label={t("removeRow", { what: asText(v.label) || asText(v.key) })} onClick={() => change(i, undefined)} />}
            </div>
          ))}
          {!readOnly && (
            <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />} onClick={add}>
              {t("rep.addValue")}
            </Button>
          )}
        </div>
      </Field>
      {(o.per !== undefined || cols.some((c) => texts(o.by).includes(c.key) && /^date/.test(c.kind ?? ""))) && <Per o={o} put={put} />}
    </div>
  );
}

/** The columns by which lines of two tables belong together; in the other table they may be called otherwise. */
function On({ o, put, cols, theirs }: { o: Obj; put: (more: Obj) => void; cols: Col[]; theirs: Col[] }) {
  const t = useText();
  const on = texts(o.on);
  const other = texts(o.with);
  const elsewhere = o.with !== undefined || (theirs.length > 0 && on.some((k) => !theirs.some((c) => c.key === k)));
  const name = (key: string) => cols.find((c) => c.key === key)?.label ?? key;
  return (
    <>
      <Field label={t("rep.on")} wide>
        <ColumnsSelect value={on} onChange={(v) => put({ on: v, ...(o.with !== undefined && { with: list(v.map((k) => other[on.indexOf(k)] ?? k)) }) })} cols={cols} label={t("rep.on")} />
      </Field>
      {elsewhere &&
        on.map((k, i) => (
          <Field key={k} label={t("rep.onOther", { column: name(k) })}>
            <ColumnSelect value={other[i] ?? k} cols={theirs} label={t("rep.onOther", { column: name(k) })} onChange={(v) => put({ with: on.map((x, n) => (n === i ? (v ?? x) : (other[n] ?? x))) })} />
          </Field>
        ))}
    </>
  );
}

function Compare({ o, put, cols, at, w, tables }: Form) {
  const t = useText();
  const { readOnly } = useEditor();
  const theirs = tables.named(asText(o.table));
  const labels = asObj(o.labels);
  const head = (k: string, v: string) => {
    const next = Object.fromEntries(Object.entries({ ...labels, [k]: v }).filter(([, x]) => x !== ""));
    put({ labels: Object.keys(next).length ? next : undefined });
  };
  return (
    <div className="rd-grid">
      <Field label={t("rep.budgetTable")} wide>
        <TableSelect at={[...at, "table"]} w={w} label={t("rep.budgetTable")} fresh={t("rep.budget")} />
      </Field>
      <On o={o} put={put} cols={cols} theirs={theirs} />
      <Field label={t("rep.budgetColumn")}>
        <ColumnSelect value={asText(o.budget)} cols={theirs} label={t("rep.budgetColumn")} onChange={(v) => put({ budget: v ?? "" })} />
      </Field>
      <Field label={t("rep.actualColumn")}>
        <ColumnSelect value={asText(o.actual)} cols={cols} label={t("rep.actualColumn")} onChange={(v) => put({ actual: v ?? "" })} />
      </Field>
      <Field label={t("rep.headings")} wide optional>
        <div className="rd-five">
          {compared.map((k) => (
            <Input key={k} aria-label={t("rep.headingOf", { what: t(`rep.${k}`) })} disabled={readOnly} placeholder={t(`rep.${k}`)} value={asText(labels[k])} onChange={(e) => head(k, e.target.value)} />
          ))}
        </div>
      </Field>
    </div>
  );
}

function Join({ o, put, cols, at, w, tables }: Form) {
  const t = useText();
  const { readOnly } = useEditor();
  const theirs = tables.named(asText(o.table));
  return (
    <div className="rd-grid">
      <Field label={t("rep.otherTable")} wide>
        <TableSelect at={[...at, "table"]} w={w} label={t("rep.otherTable")} fresh={t("rep.more")} />
      </Field>
      <On o={o} put={put} cols={cols} theirs={theirs} />
      <Field label={t("rep.how")} wide>
        <Select aria-label={t("rep.how")} disabled={readOnly} value={asText(o.how) || "left"} options={(["left", "inner", "full"] as const).map((k) => ({ value: k, label: t(`rep.how.${k}`) }))} onChange={(k) => put({ how: k === "left" ? undefined : k })} style={{ width: "100%" }} />
      </Field>
      <Field label={t("rep.takeColumns")} wide optional>
        <Columns at={[...at, "columns"]} cols={theirs} none={t("rep.takeAll")} />
      </Field>
    </div>
  );
}

function Sort({ at, cols }: { at: Path; cols: Col[] }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const orders = asList(value).map(asObj);
  const change = (i: number, row: Obj | undefined) => write(orders.flatMap((x, n) => (n !== i ? [x] : row ? [row] : [])));
  return (
    <div className="rd-rows">
      {orders.map((o, i) => (
        <div className="rd-row" key={i}>
          <ColumnSelect value={asText(o.by)} cols={cols} label={t("rep.column")} onChange={(by) => change(i, { ...o, by: by ?? "" })} />
          <Segmented aria-label={t("rep.direction")} disabled={readOnly} value={o.desc === true ? "desc" : "asc"} options={[{ value: "asc", label: t("rep.asc") }, { value: "desc", label: t("rep.desc") }]} onChange={(v) => change(i, { ...Object.fromEntries(Object.entries(o).filter(([k]) => k !== "desc")), ...(v === "desc" && { desc: true }) })} />
          {!readOnly && orders.length > 1 ? <Button type="text" size="small" icon={<CloseOutlined aria-hidden />} aria-label={t("removeRow", { what: asText(o.by) })} onClick={() => change(i, undefined)} /> : <span />}
        </div>
      ))}
      {!readOnly && (
        <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />} onClick={() => write([...orders, { by: cols.find((c) => !orders.some((o) => o.by === c.key))?.key ?? "" }])}>
          {t("rep.addOrder")}
        </Button>
      )}
    </div>
  );
}

function Top({ o, put, cols }: Form) {
  const t = useText();
  const { readOnly } = useEditor();
  return (
    <div className="rd-grid">
      <Field label={t("rep.topN")}>
        <InputNumber aria-label={t("rep.topN")} disabled={readOnly} min={1} precision={0} value={Number(o.n ?? 10)} onChange={(n) => put({ n: n ?? 10 })} />
      </Field>
      <Field label={t("rep.topBy")}>
        <ColumnSelect value={asText(o.by)} cols={cols} label={t("rep.topBy")} onChange={(v) => put({ by: v ?? "" })} />
      </Field>
      <Field label={t("rep.topWhich")}>
        <Segmented aria-label={t("rep.topWhich")} disabled={readOnly} value={o.lowest === true ? "low" : "high"} options={[{ value: "high", label: t("rep.largest") }, { value: "low", label: t("rep.smallest") }]} onChange={(v) => put({ lowest: v === "low" || undefined })} />
      </Field>
      <label className="row rd-switch">
        <Switch size="small" disabled={readOnly} checked={o.drop !== true} onChange={(on) => put({ drop: on ? undefined : true })} aria-label={t("rep.rest")} /> {t("rep.rest")}
      </label>
      {o.drop !== true && (
        <Field label={t("rep.restName")} optional>
          <Input aria-label={t("rep.restName")} disabled={readOnly} placeholder={t("rep.restExample")} value={asText(o.rest)} onChange={(e) => put({ rest: e.target.value || undefined })} />
        </Field>
      )}
    </div>
  );
}

function Pivot({ o, put, cols }: Form) {
  const t = useText();
  const { readOnly } = useEditor();
  return (
    <div className="rd-grid">
      <Field label={t("rep.pivotRows")} wide>
        <ColumnsSelect value={texts(o.rows)} onChange={(v) => put({ rows: v })} cols={cols} label={t("rep.pivotRows")} />
      </Field>
      <Field label={t("rep.pivotColumn")}>
        <ColumnSelect value={asText(o.column)} cols={cols} label={t("rep.pivotColumn")} onChange={(v) => put({ column: v ?? "" })} />
      </Field>
      <Per o={o} put={put} />
      <Field label={t("rep.aggregate")}>
        <Aggregate value={asText(o.do) || "sum"} onChange={(v) => put({ do: v === "sum" ? undefined : v, ...(v === "count" && { value: undefined }) })} />
      </Field>
      {o.do !== "count" && (
        <Field label={t("rep.pivotValue")}>
          <ColumnSelect value={asText(o.value)} cols={cols} label={t("rep.pivotValue")} onChange={(v) => put({ value: v })} />
        </Field>
      )}
      <Field label={t("rep.pivotTotal")} optional>
        <Input aria-label={t("rep.pivotTotal")} disabled={readOnly} placeholder={t("rep.pivotTotalExample")} value={asText(o.total)} onChange={(e) => put({ total: e.target.value || undefined })} />
      </Field>
    </div>
  );
}

function Totals({ o, put, cols }: Form) {
  const t = useText();
  const { readOnly } = useEditor();
  const by = texts(o.by);
  return (
    <div className="rd-grid">
      {o.no_grand !== true && (
        <Field label={t("rep.totalName")} optional>
          <Input aria-label={t("rep.totalName")} disabled={readOnly} placeholder={t("rep.totalExample")} value={asText(o.label)} onChange={(e) => put({ label: e.target.value || undefined })} />
        </Field>
      )}
      <Field label={t("rep.subtotalBy")} wide optional>
        <ColumnsSelect value={by} onChange={(v) => put({ by: list(v), ...(!v.length && { no_grand: undefined, subtotal: undefined }) })} cols={cols} label={t("rep.subtotalBy")} />
      </Field>
      {by.length > 0 && (
        <>
          <Field label={t("rep.subtotalName")} optional>
            <Input aria-label={t("rep.subtotalName")} disabled={readOnly} placeholder={t("rep.subtotalExample")} value={asText(o.subtotal)} onChange={(e) => put({ subtotal: e.target.value || undefined })} />
          </Field>
          <label className="row rd-switch">
            <Switch size="small" disabled={readOnly} checked={o.no_grand !== true} onChange={(on) => put({ no_grand: on ? undefined : true })} aria-label={t("rep.grand")} /> {t("rep.grand")}
          </label>
        </>
      )}
    </div>
  );
}
