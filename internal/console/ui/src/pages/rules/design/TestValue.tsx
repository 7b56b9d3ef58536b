// What a field is compared with: an input that fits its type, or another field.
import { SwapOutlined } from "@ant-design/icons";
import { Button, DatePicker, Input, InputNumber, Segmented, Select, Tooltip } from "antd";
import dayjs from "dayjs";
import { Duration } from "./Duration";
import { useEditor, usePlace } from "./editor";
import { FieldPicker } from "./FieldPicker";
import type { Known } from "./facts";
import { asList, asObj, asText, isObj, pointer, texts, type Json, type Path } from "./json";
import { useText } from "../texts";

interface One {
  value: Json | undefined;
  write: (v: Json | undefined) => void;
  known: Known | undefined;
  label: string;
}

export function TestValue({ at, takes, known }: { at: Path; takes: string; known: Known | undefined }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const fact = isObj(value) && typeof value.fact === "string" ? value.fact : undefined;
  if (takes === "none") return <span />;
  const swappable = ["one", "ordered", "text", "moment", "list"].includes(takes);
  return (
    <div className="rd-value" data-at={pointer(at)}>
      {fact !== undefined ? <FieldPicker value={fact} onChange={(path) => write({ fact: path })} at={at} label={t("otherField")} /> : <ByKind {...{ takes, value, write, known, label: t("value") }} />}
      {swappable && !readOnly && (
        <Tooltip title={t(fact === undefined ? "compareField" : "compareValue")}>
          <Button size="small" type="text" icon={<SwapOutlined aria-hidden />} aria-label={t(fact === undefined ? "compareField" : "compareValue")} onClick={() => write(fact === undefined ? { fact: "" } : "")} />
        </Tooltip>
      )}
    </div>
  );
}

function ByKind({ takes, ...one }: One & { takes: string }) {
  const t = useText();
  const { vocab, readOnly } = useEditor();
  const { value, write, label } = one;
  switch (takes) {
    case "flag":
      return <Flag {...one} value={value ?? true} />;
    case "texts":
      return one.known?.choices ? <Words {...one} options={one.known.choices} /> : <Words {...one} />;
    case "addresses":
      return <Words {...one} placeholder="*@example.com" />;
    case "list":
      return (
        <Words
          {...one}
          options={vocab.lists.map((l) => ({ value: l.name, label: t("listNamed", { name: l.name, n: l.entries }) }))}
          // The name of a list is a text; values of one's own are a list.
          write={(v) => write(texts(v).length === 1 && vocab.lists.some((l) => l.name === texts(v)[0]) ? texts(v)[0] : v)}
        />
      );
    case "pair": {
      const [a, b] = asList(value);
      return (
        <>
          <Single {...one} value={a} write={(v) => write([v ?? "", b ?? ""])} label={t("from")} />
          <span>–</span>
          <Single {...one} value={b} write={(v) => write([a ?? "", v ?? ""])} label={t("to")} />
        </>
      );
    }
    case "from_to": {
      const v = asObj(value);
      return (
        <>
          <Single {...one} value={v.from} write={(x) => write({ ...v, from: x ?? "" })} label={t("fromValue")} />
          <span aria-hidden>→</span>
          <Single {...one} value={v.to} write={(x) => write({ ...v, to: x ?? "" })} label={t("toValue")} />
        </>
      );
    }
    case "age":
      return <Duration value={asText(value)} onChange={(v) => write(v ?? "")} label={label} />;
    case "window": {
      const v = asObj(value);
      const side = "next" in v ? "next" : "last";
      return (
        <>
          <Segmented disabled={readOnly} aria-label={t("windowSide")} value={side} options={[{ value: "last", label: t("last") }, { value: "next", label: t("next") }]} onChange={(s) => write({ ...(v.business !== undefined && { business: v.business }), [s]: v[side] ?? "7d" })} />
          <Duration value={asText(v[side])} onChange={(x) => write({ ...v, [side]: x ?? "" })} label={label} />
        </>
      );
    }
    case "moment":
      return <Moment {...one} />;
    case "pattern":
      return <Input aria-label={label} className="mono" disabled={readOnly} value={asText(value)} onChange={(e) => write(e.target.value)} placeholder="^PO-\d+" />;
  }
  return takes === "ordered" && one.known?.type === "time" ? <Moment {...one} /> : <Single {...one} />;
}

function Words({ value, write, label, options, placeholder }: One & { options?: { value: string; label: string }[]; placeholder?: string }) {
  const t = useText();
  const { readOnly } = useEditor();
  return <Select mode="tags" aria-label={label} disabled={readOnly} value={texts(value)} options={options ?? []} tokenSeparators={[",", "，", "、", ";", "；"]} placeholder={placeholder ?? t("typeEnter")} onChange={(v: string[]) => write(v)} notFoundContent={null} suffixIcon={null} open={options?.length ? undefined : false} className="rd-words" />;
}

function Flag({ value, write, label }: One) {
  const t = useText();
  const { readOnly } = useEditor();
  return <Segmented aria-label={label} disabled={readOnly} value={value === false ? "no" : "yes"} options={[{ value: "yes", label: t("yes") }, { value: "no", label: t("no") }]} onChange={(v) => write(v === "yes")} />;
}

function Single(p: One) {
  const { value, write, known, label } = p;
  const { readOnly } = useEditor();
  if (known?.choices) return <Select aria-label={label} disabled={readOnly} value={asText(value) || undefined} options={known.choices} onChange={(v: string) => write(v)} popupMatchSelectWidth={false} style={{ minWidth: 120 }} />;
  if (known?.type === "bool") return <Flag {...p} />;
  if (known?.type === "time") return <Moment {...p} />;
  if ((known?.type === "number" || known?.type === "money") && (value === undefined || value === "" || typeof value === "number")) return <InputNumber aria-label={label} disabled={readOnly} value={typeof value === "number" ? value : null} onChange={(n) => write(n ?? "")} style={{ width: 150 }} />;
  // A number that is typed for a field of which nothing is known is one: as a text it would equal no number.
  const number = (s: string) => known?.type === "open" && /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(s) && String(Number(s)) === s;
  return <Input aria-label={label} disabled={readOnly} value={asText(value)} onChange={(e) => write(number(e.target.value) ? Number(e.target.value) : e.target.value)} />;
}

const words = ["now", "today", "tomorrow", "yesterday"] as const;

function Moment({ value, write, label }: One) {
  const t = useText();
  const { readOnly } = useEditor();
  const text = asText(value);
  const word = (words as readonly string[]).includes(text) || text === "" ? text || "today" : dayjs(text).isValid() && /^\d{4}-/.test(text) ? "date" : "other";
  return (
    <>
      <Select aria-label={label} disabled={readOnly} value={word} options={[...words.map((w) => ({ value: w as string, label: t(`moment.${w}`) })), { value: "date", label: t("moment.date") }, ...(word === "other" ? [{ value: "other", label: text }] : [])]} onChange={(w) => write(w === "date" ? dayjs().format("YYYY-MM-DD") : w)} popupMatchSelectWidth={false} />
      {word === "date" && <DatePicker aria-label={label} disabled={readOnly} value={dayjs(text)} allowClear={false} onChange={(d) => write(d?.format("YYYY-MM-DD") ?? "")} />}
    </>
  );
}
