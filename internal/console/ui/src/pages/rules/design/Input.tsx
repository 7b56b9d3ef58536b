// The input of one parameter, by its type.
import { AutoComplete, Input as Text, InputNumber, Segmented, Select, Switch } from "antd";
import { Chips } from "./Chips";
import { Duration } from "./Duration";
import { useEditor, usePlace, useWords, type Parameter } from "./editor";
import { FieldPicker } from "./FieldPicker";
import { numbered, stepTitle } from "./facts";
import { asList, asObj, asText, get, texts, type Json, type Path } from "./json";
import { People } from "./People";
import { FieldMap, NamedRows, Selections } from "./Rows";
import { Tree } from "./Tree";
import { useLang } from "@/lang";
import { useText } from "../texts";
import { useNames } from "./useNames";

export interface InputProps {
  param: Parameter;
  at: Path;
  of: Path; // where the parameters stand that it depends on
  kind: string;
  label: string;
  id: string;
  invalid: boolean;
  describedBy: string;
}

export function Input(p: InputProps) {
  const { param, at, label, id, invalid, describedBy } = p;
  const [value, write] = usePlace(at);
  const { readOnly } = useEditor();
  const shared = { id, disabled: readOnly, "aria-describedby": describedBy, ...(invalid && { status: "error" as const }) };
  switch (param.type) {
    case "line":
    case "template":
    case "html":
      return <Chips value={asText(value)} onChange={(v) => write(v || undefined)} at={at} kind={param.type} label={label} describedBy={describedBy} invalid={invalid} />;
    case "addresses":
      return <People {...shared} value={value} onChange={write} at={at} label={label} one={param.one_or_more ?? !param.repeated} />;
    case "boolean":
      return <Yes {...p} value={value} write={write} />;
    case "number":
      return <InputNumber {...shared} aria-label={label} value={value === undefined ? null : Number(value)} onChange={(v) => write(v ?? undefined)} style={{ width: 160 }} />;
    case "integer":
      return param.choices?.length ? <Need {...p} value={value} write={write} /> : <InputNumber {...shared} aria-label={label} value={value === undefined ? null : Number(value)} precision={0} onChange={(v) => write(v ?? undefined)} placeholder={asText(param.default as Json)} style={{ width: 160 }} />;
    case "duration":
      return <Duration {...shared} value={asText(value)} onChange={write} label={label} negative={param.negative} />;
    case "fact":
    case "list_fact":
      return <FieldPicker value={asText(value)} onChange={(path) => write(path)} at={at} label={label} types={param.type === "list_fact" ? ["list"] : undefined} />;
    case "field_map":
      return <FieldMap at={at} of={p.of} label={label} />;
    case "values":
      return p.kind === "trigger" ? <Tags {...p} value={value} write={write} /> : <FieldMap at={at} of={p.of} label={label} free />;
    case "selections":
      return <Selections at={at} of={p.of} label={label} />;
    case "facts":
      return <NamedRows at={at} name="name" value="value" />;
    case "links":
      return <NamedRows at={at} name="label" value="url" />;
    case "value":
    case "json":
    case "object":
    case "objects":
    case "map_of_objects":
      return <Tree at={at} label={label} />;
    case "texts":
    case "tags":
    case "fields":
    case "step_ids":
      return <Tags {...p} value={value} write={write} />;
    case "enum":
      return param.repeated ? <Tags {...p} value={value} write={write} /> : <Enum {...p} value={value} write={write} />;
    case "schedule":
      return <Schedule {...p} value={value} write={write} />;
    case "text":
    case "address":
      return <Text {...shared} aria-label={label} value={asText(value)} onChange={(e) => write(e.target.value || undefined)} placeholder={asText(param.example as Json)} maxLength={2000} />;
    default:
      return <OneOf {...p} value={value} write={write} />;
  }
}

type With = InputProps & { value: Json | undefined; write: (v: Json | undefined) => void };

/** What is true or false by a switch; where the absent value is true, off is written down. */
function Yes({ param, label, id, describedBy, value, write }: With) {
  const { readOnly } = useEditor();
  const first = param.default === true;
  const on = value === undefined ? first : value === true;
  return (
    <div className="row rd-switch">
      <Switch id={id} size="small" checked={on} disabled={readOnly} aria-describedby={describedBy} onChange={(v) => write(v === first ? undefined : v)} />
      <label htmlFor={id}>{label}</label>
    </div>
  );
}

function useChoices({ param, kind }: InputProps) {
  const t = useText();
  const words = useWords();
  return (param.choices ?? []).map((c) => ({ value: c.value, label: t.any(`choice.${kind}.${param.name}.${c.value || "none"}`, words(c.label)) }));
}

function Enum(p: With) {
  const t = useText();
  const { param, label, id, describedBy, invalid, value, write } = p;
  const { readOnly } = useEditor();
  const options = useChoices(p);
  const booleans = param.choices?.some((c) => c.value === "true");
  const set = (v: string) => write(v === asText(param.default as Json) || v === "" ? undefined : booleans && /^(true|false)$/.test(v) ? v === "true" : v);
  const now = value === undefined ? asText(param.default as Json) : asText(value);
  const known = options.some((o) => o.value === now);
  if (options.length <= 4 && known) return <Segmented id={id} aria-label={label} aria-describedby={describedBy} disabled={readOnly} value={now} options={options} onChange={set} />;
  return <Select id={id} aria-label={label} aria-describedby={describedBy} disabled={readOnly} status={invalid ? "error" : undefined} value={now || undefined} placeholder={t.any(`blank.${param.name}`, "")} options={options} onChange={set} allowClear={!param.required} onClear={() => write(undefined)} style={{ minWidth: 200 }} />;
}

/** How many of those who are asked have to agree. */
function Need(p: With) {
  const { readOnly } = useEditor();
  const options = useChoices(p);
  return (
    <AutoComplete
      id={p.id}
      aria-label={p.label}
      disabled={readOnly}
      value={p.value === undefined ? asText(p.param.default as Json) : asText(p.value)}
      options={options.map((o) => ({ value: o.value, label: o.label }))}
      onChange={(v: string) => write(p, v)}
      style={{ width: 200 }}
    />
  );
}
const write = (p: With, v: string) => p.write(v === "" ? undefined : /^\d+$/.test(v) ? Number(v) : v);

/** A name of this company: a target, a sender, a table … */
function OneOf(p: With) {
  const { label, id, describedBy, invalid, value } = p;
  const { readOnly } = useEditor();
  const t = useText();
  const { options, fallback } = useNames(p);
  const own = asText(value);
  const all = own && !options.some((o) => o.value === own) ? [...options, { value: own, label: own }] : options;
  if (!options.length) return <Text id={id} aria-label={label} aria-describedby={describedBy} disabled={readOnly} status={invalid ? "error" : undefined} value={own} onChange={(e) => p.write(e.target.value || undefined)} />;
  return (
    <Select
      id={id}
      aria-label={label}
      aria-describedby={describedBy}
      disabled={readOnly}
      status={invalid ? "error" : undefined}
      showSearch
      optionFilterProp="label"
      allowClear={!p.param.required}
      placeholder={fallback ? t("standard", { name: fallback }) : t("choose")}
      value={own || undefined}
      options={all}
      onChange={(v?: string) => p.write(v || undefined)}
      style={{ width: "100%", maxWidth: 420 }}
    />
  );
}

/** Several words; those that are known are offered. */
function Tags(p: With) {
  const { param, label, id, describedBy, invalid, value, of, at } = p;
  const t = useText();
  const lang = useLang();
  const { readOnly, rule, vocab } = useEditor();
  const choices = useChoices(p);
  const { options: names } = useNames(p);
  const steps = param.type === "step_ids" ? numbered(rule).filter((s) => vocab.steps.find((x) => x.kind === s.kind)?.outputs.some((o) => o.name === "files")).map((s) => ({ value: s.id, label: `${s.n} ${stepTitle(vocab, s.kind, lang)}` })) : [];
  const people = param.name === "accounts" && at[0] === "trigger" ? vocab.senders.map((s) => ({ value: s.name, label: s.name })) : [];
  const options = choices.length ? choices : [...names, ...steps, ...people];
  const closed = choices.length > 0 || param.type === "step_ids";
  const shown = value === undefined && choices.length ? texts(param.default as Json) : texts(value);
  const numbers = param.type === "values" && typeof asList(value)[0] === "number";
  const pick = (v: string[]) => p.write(v.length ? v.map((x) => (numbers && /^-?\d+$/.test(x) ? Number(x) : x)) : undefined);
  const object = asText(asObj(get(rule, of)).object);
  return (
    <Select
      id={id}
      mode={closed ? "multiple" : "tags"}
      aria-label={label}
      aria-describedby={describedBy}
      disabled={readOnly}
      status={invalid ? "error" : undefined}
      tokenSeparators={[",", "，", "、", ";", "；"]}
      placeholder={closed ? t("choose") : param.type === "fields" && object === "" ? t("objectFirst") : t(options.length ? "chooseOrType" : "typeEnter")}
      optionFilterProp="label"
      value={shown}
      options={options}
      onChange={pick}
      notFoundContent={closed ? undefined : null}
      style={{ width: "100%" }}
    />
  );
}

function Schedule({ value, write, label, id, describedBy, invalid }: With) {
  const t = useText();
  const { readOnly } = useEditor();
  const examples = ["每天 09:00", "每个工作日 09:00", "每周一 09:00", "每月1日 09:00", "every 15m", "every 1h"];
  return (
    <AutoComplete
      id={id}
      aria-label={label}
      aria-describedby={describedBy}
      disabled={readOnly}
      status={invalid ? "error" : undefined}
      value={asText(value)}
      onChange={(v: string) => write(v || undefined)}
      options={examples.map((e) => ({ value: e, label: t.any(`schedule.${e}`, e) }))}
      placeholder="每月1日 09:00"
      style={{ width: 260 }}
    />
  );
}
