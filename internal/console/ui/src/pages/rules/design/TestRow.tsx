// One test: a field, how it is compared, and with what.
import { Select } from "antd";
import { useContext, useMemo } from "react";
import { useEditor, usePlace, useWords, type Vocabulary } from "./editor";
import { FieldPicker } from "./FieldPicker";
import { useKnown, type Known } from "./facts";
import { asObj, asText, pointer, type Json, type Obj, type Path } from "./json";
import { ElementContext } from "./element";
import { TestValue } from "./TestValue";
import { useText } from "../texts";

/** The value that an operator begins with. */
export function firstValue(takes: string, known: Known | undefined): Json | undefined {
  switch (takes) {
    case "none":
      return undefined;
    case "flag":
      return true;
    case "pair":
      return [];
    case "texts":
    case "addresses":
    case "list":
      return [];
    case "window":
      return { last: "7d" };
    case "age":
      return "3d";
    case "from_to":
      return {};
    case "moment":
      return "today";
  }
  return known?.type === "bool" ? true : "";
}

export function operatorsFor(vocab: Vocabulary, type: string | undefined) {
  return vocab.operators.filter((o) => !type || type === "open" || o.types.some((x) => x === type));
}

export function TestRow({ at }: { at: Path }) {
  const t = useText();
  const words = useWords();
  const { vocab, readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const element = useContext(ElementContext);
  const known = useKnown(at);
  const node = asObj(value);
  const path = asText(node.field);
  const here = [...element, ...known].find((k) => k.path === path);
  const op = vocab.operators.find((o) => o.name === node.op);
  const options = useMemo(() => {
    const fit = operatorsFor(vocab, here?.type);
    return (op && !fit.includes(op) ? [...fit, op] : fit).map((o) => ({ value: o.name, label: words(o.label) }));
  }, [vocab, here?.type, op, words]);

  const setField = (p: string, k?: Known) => {
    const next: Obj = { ...node, field: p };
    if (k && op && !operatorsFor(vocab, k.type).includes(op)) {
      const o = operatorsFor(vocab, k.type)[0];
      next.op = o?.name;
      next.value = firstValue(o?.takes ?? "", k);
    } else if (k && k.type !== here?.type) {
      // What one asks most of a text is whether a word is in it.
      const o = k.type === "text" && !k.choices && (!node.op || node.op === "is") && (node.value === undefined || node.value === "") ? vocab.operators.find((x) => x.name === "contains_any") : op;
      next.op = o?.name ?? node.op;
      next.value = firstValue(o?.takes ?? "", k);
    }
    if (next.value === undefined) delete next.value;
    write(next);
  };
  const setOp = (name: string) => {
    const o = vocab.operators.find((x) => x.name === name);
    const next: Obj = { ...node, op: name };
    if (o?.takes !== op?.takes) {
      const carried = keep(node.value, o?.takes ?? "");
      next.value = carried ?? firstValue(o?.takes ?? "", here);
    }
    if (next.value === undefined) delete next.value;
    write(next);
  };
  return (
    <div className="rd-testrow" data-at={pointer([...at, "field"])}>
      <FieldPicker value={path} onChange={setField} at={at} label={t("field")} extra={element} />
      <Select aria-label={t("comparison")} disabled={readOnly} value={asText(node.op) || undefined} options={options} onChange={setOp} popupMatchSelectWidth={false} showSearch optionFilterProp="label" className="rd-op" />
      <TestValue at={[...at, "value"]} takes={op?.takes ?? "one"} known={here} />
    </div>
  );
}

/** What was written already stays where the other comparison can take it. */
function keep(value: Json | undefined, takes: string): Json | undefined {
  const one = Array.isArray(value) ? value[0] : value;
  if (["texts", "addresses", "list"].includes(takes)) return one === undefined || one === "" || typeof one === "object" || typeof one === "boolean" ? undefined : Array.isArray(value) ? value : [one];
  if (["one", "text", "ordered", "pattern"].includes(takes)) return typeof one === "string" || typeof one === "number" ? one : undefined;
  return undefined;
}
