// Rows of names and values: fields of a record, tests of fields, lines of a notice.
import { CloseOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Input, Select } from "antd";
import { useState } from "react";
import { Chips } from "./Chips";
import { useEditor, usePlace, type Parameter } from "./editor";
import { asList, asObj, asText, isObj, type Json, type Obj, type Path } from "./json";
import { field, single } from "./template";
import { useText } from "../texts";
import { useNames, type Option } from "./useNames";

const fieldParam = { name: "field", type: "field", label: { zh: "", en: "" }, required: true } as Parameter;

export function Add({ onClick, children }: { onClick: () => void; children: string }) {
  const { readOnly } = useEditor();
  return readOnly ? null : (
    <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />} onClick={onClick}>
      {children}
    </Button>
  );
}

export function Remove({ onClick, what }: { onClick: () => void; what: string }) {
  const t = useText();
  const { readOnly } = useEditor();
  return readOnly ? null : <Button type="text" size="small" icon={<CloseOutlined aria-hidden />} aria-label={t("removeRow", { what })} onClick={onClick} />;
}

function NameOf({ value, options, onChange, label }: { value: string; options: Option[]; onChange: (v: string) => void; label: string }) {
  const { readOnly } = useEditor();
  const t = useText();
  if (!options.length) return <Input aria-label={label} disabled={readOnly} value={value} onChange={(e) => onChange(e.target.value)} placeholder={t("fieldName")} />;
  const known = options.some((o) => o.value === value) || !value ? options : [...options, { value, label: value }];
  return <Select aria-label={label} disabled={readOnly} showSearch optionFilterProp="label" value={value || undefined} options={known} onChange={onChange} placeholder={t("chooseField")} />;
}

/** A value that is a text with fields, or a fact as it is: shown alike, kept as it came. */
export function ValueOf({ value, onChange, at, label, kind }: { value: Json | undefined; onChange: (v: Json | undefined) => void; at: Path; label: string; kind?: "line" | "template" }) {
  const fact = isObj(value) && typeof value.fact === "string" && Object.keys(value).length === 1 ? value.fact : undefined;
  const shown = fact !== undefined ? field(fact) : asText(value);
  const write = (v: string) => {
    if (v === shown) return; // whatever it is: text, nothing, a list
    const only = single(v);
    // A field alone keeps its type, as a number or a list does in another record.
    if (only && !only.pipes.length && !only.pick) onChange({ fact: only.path });
    else if (typeof value === "number" && /^-?\d+(\.\d+)?$/.test(v)) onChange(Number(v));
    else onChange(typeof value === "boolean" && /^(true|false)$/.test(v) ? v === "true" : v);
  };
  return <Chips value={shown} onChange={write} at={at} label={label} kind={kind} />;
}

/** Fields of a record and their values. free: names that somebody makes up. */
export function FieldMap({ at, of, label, free }: { at: Path; of: Path; label: string; free?: boolean }) {
  const t = useText();
  const [value, write] = usePlace(at);
  const { options } = useNames({ param: fieldParam, at, of });
  const [blank, setBlank] = useState(false);
  const entries = Object.entries(asObj(value));
  const rename = (from: string, to: string) => to && !(to in asObj(value)) && write(Object.fromEntries(entries.map(([k, v]) => [k === from ? to : k, v])));
  const add = (name: string) => {
    const key = name.trim();
    if (!key || key in asObj(value)) return;
    write({ ...asObj(value), [key]: "" });
    setBlank(false);
  };
  const choices = (own: string) => (free ? [] : options.filter((o) => o.value === own || !entries.some(([k]) => k === o.value)));
  return (
    <div className="rd-rows" role="group" aria-label={label}>
      {entries.map(([name, v], i) => (
        <div className="rd-row" key={free ? i : name}>
          <NameOf value={name} options={choices(name)} onChange={(to) => rename(name, to)} label={t("fieldName")} />
          <ValueOf value={v} onChange={(x) => write({ ...asObj(value), [name]: x ?? "" })} at={[...at, name]} label={t("valueOf", { name: options.find((o) => o.value === name)?.label ?? name })} />
          <Remove what={name} onClick={() => write(entries.length > 1 ? Object.fromEntries(entries.filter(([k]) => k !== name)) : undefined)} />
        </div>
      ))}
      {(blank || !entries.length) && (
        <div className="rd-row">
          {free || !options.length ? (
            // A name that is typed counts when one leaves the input.
            <Input aria-label={t("fieldName")} placeholder={t("nameOfValue")} onBlur={(e) => add(e.target.value)} onPressEnter={(e) => add(e.currentTarget.value)} />
          ) : (
            <NameOf value="" options={choices("")} onChange={add} label={t("fieldName")} />
          )}
          <span className="muted small">{t("thenValue")}</span>
        </div>
      )}
      {entries.length > 0 && !blank && <Add onClick={() => setBlank(true)}>{t("addField")}</Add>}
    </div>
  );
}

const comparisons = ["eq", "ne", "gt", "ge", "lt", "le", "contains", "in", "empty"] as const;

/** Tests of fields, by which records are chosen. All must hold. fields: what can be tested, where it is not the record's; only: the comparisons that there are. */
export function Selections({ at, of, label, options: fields, only }: { at: Path; of: Path; label: string; options?: Option[]; only?: string[] }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const { options: known } = useNames({ param: fieldParam, at, of });
  const options = fields ?? known;
  const list = asList(value).map(asObj);
  const put = (i: number, row: Obj | undefined) => {
    const next = list.flatMap((x, n) => (n !== i ? [x] : row ? [row] : []));
    write(next.length ? next : undefined);
  };
  return (
    <div className="rd-rows" role="group" aria-label={label}>
      {list.map((row, i) => (
        <div className="rd-row three" key={i}>
          <NameOf value={asText(row.field)} options={options} onChange={(v) => put(i, { ...row, field: v })} label={t("fieldName")} />
          <Select aria-label={t("comparison")} disabled={readOnly} value={asText(row.is) || "eq"} options={comparisons.filter((c) => !only || only.includes(c) || c === row.is).map((c) => ({ value: c, label: t(`is.${c}`) }))} onChange={(v) => put(i, { ...row, is: v })} />
          {row.is === "empty" ? <span /> : <ValueOf value={row.value} onChange={(v) => put(i, { ...row, value: v ?? "" })} at={[...at, i, "value"]} label={t("value")} />}
          <Remove what={asText(row.field)} onClick={() => put(i, undefined)} />
        </div>
      ))}
      <Add onClick={() => write([...list, { field: "", is: "eq", value: "" }])}>{t("addTest")}</Add>
    </div>
  );
}

/** Lines with a name and a template, such as of a notice. */
export function NamedRows({ at, name, value: valueName }: { at: Path; name: string; value: string }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const list = asList(value).map(asObj);
  const put = (i: number, row: Obj | undefined) => {
    const next = list.flatMap((x, n) => (n !== i ? [x] : row ? [row] : []));
    write(next.length ? next : undefined);
  };
  return (
    <div className="rd-rows">
      {list.map((row, i) => (
        <div className="rd-row" key={i}>
          <Input aria-label={t("rowName")} placeholder={t("rowName")} disabled={readOnly} value={asText(row[name])} onChange={(e) => put(i, { ...row, [name]: e.target.value })} />
          <Chips value={asText(row[valueName])} onChange={(v) => put(i, { ...row, [valueName]: v })} at={[...at, i, valueName]} label={t("valueOf", { name: asText(row[name]) })} />
          <Remove what={asText(row[name])} onClick={() => put(i, undefined)} />
        </div>
      ))}
      <Add onClick={() => write([...list, { [name]: "", [valueName]: "" }])}>{t("addRow")}</Add>
    </div>
  );
}
