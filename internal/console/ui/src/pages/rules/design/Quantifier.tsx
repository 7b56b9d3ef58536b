// A condition on the elements of a list: one, all, none of them, or how many.
import { PlusOutlined } from "@ant-design/icons";
import { Button, InputNumber, Select } from "antd";
import { useMemo } from "react";
import { useLang } from "@/lang";
import { Condition, kindOfNode, quantifiers } from "./Condition";
import { ElementContext } from "./element";
import { useEditor, usePlace, useWords } from "./editor";
import { useKnown, type Known } from "./facts";
import { FieldPicker } from "./FieldPicker";
import { asObj, asText, set, type Obj, type Path } from "./json";
import { useText } from "../texts";

export function Quantifier({ at }: { at: Path }) {
  const t = useText();
  const words = useWords();
  const lang = useLang();
  const { vocab, readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const node = asObj(value);
  const kind = kindOfNode(value) as (typeof quantifiers)[number];
  const path = asText(node[kind]);
  const known = useKnown(at);
  const list = known.find((k) => k.path === path);
  const element = useMemo(() => {
    const name = asText(node.as) || "item";
    const out: Known[] = [{ path: name, type: list?.of ?? "open", label: t("theElement"), group: "element", groupLabel: list?.label ?? "" }];
    for (const f of vocab.facts) {
      if (f.path.startsWith(`${path}[].`)) out.push({ path: `${name}.${f.path.slice(path.length + 3)}`, type: f.type, label: f.label[lang], group: "element", groupLabel: list?.label ?? "" });
    }
    return out;
  }, [vocab, path, list, node.as, lang, t]);
  const put = (change: Obj) => write({ ...node, ...change });
  const setKind = (k: string) => {
    const { op, value: v, ...rest } = set(node, [kind], undefined);
    write(k === "count" ? { count: path, ...rest, op: op ?? "ge", value: v ?? 1 } : { [k]: path, ...rest, where: rest.where ?? { field: "item", op: "is", value: "" } });
  };
  return (
    <div className="rd-quant">
      <div className="row">
        <Select aria-label={t("quantifier")} disabled={readOnly} value={kind} options={quantifiers.map((k) => ({ value: k, label: t(`quant.${k}`) }))} onChange={setKind} popupMatchSelectWidth={false} />
        <FieldPicker value={path} onChange={(p) => put({ [kind]: p })} at={at} label={t("list")} types={["list"]} />
        {kind === "count" && (
          <>
            <Select aria-label={t("comparison")} disabled={readOnly} value={asText(node.op)} options={vocab.operators.filter((o) => o.count && ["one", "ordered"].includes(o.takes)).map((o) => ({ value: o.name, label: words(o.label) }))} onChange={(op) => put({ op })} popupMatchSelectWidth={false} />
            <InputNumber aria-label={t("value")} disabled={readOnly} min={0} precision={0} value={Number(node.value ?? 0)} onChange={(n) => put({ value: n ?? 0 })} style={{ width: 80 }} />
          </>
        )}
        <span className="muted small">{node.where !== undefined && t("where")}</span>
      </div>
      {node.where !== undefined ? (
        <ElementContext value={element}>
          <Condition at={[...at, "where"]} label={t("where")} />
        </ElementContext>
      ) : (
        !readOnly && (
          <Button size="small" type="text" icon={<PlusOutlined aria-hidden />} onClick={() => put({ where: { field: asText(node.as) || "item", op: "is", value: "" } })}>
            {t("addWhere")}
          </Button>
        )
      )}
    </div>
  );
}
