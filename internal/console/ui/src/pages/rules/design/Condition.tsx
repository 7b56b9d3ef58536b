// When something applies: rows of field, comparison and value, in groups; what the form cannot say stands there as a formula.
import { CloseOutlined, DownOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Dropdown, Input, Segmented, type MenuProps } from "antd";
import { Quantifier } from "./Quantifier";
import { TestRow } from "./TestRow";
import { useEditor, usePlace } from "./editor";
import { asList, asObj, asText, isObj, pointer, type Json, type Obj, type Path } from "./json";
import { Problems } from "./problems";
import { useText } from "../texts";

export const quantifiers = ["some", "every", "none", "count"] as const;
export const kindOfNode = (n: Json | undefined): "all" | "any" | "not" | "field" | "some" | "every" | "none" | "count" | "cel" | "bad" => {
  if (!isObj(n)) return "bad";
  for (const k of ["all", "any", "not", "field", "some", "every", "none", "count", "cel"] as const) if (k in n) return k;
  return "bad";
};
const isGroup = (n: Json | undefined) => kindOfNode(n) === "all" || kindOfNode(n) === "any";

/** A whole condition; absent means always. */
export function Condition({ at, label }: { at: Path; label: string }) {
  const [value, write] = usePlace(at);
  const add = (n: Obj) => write(value === undefined ? n : isGroup(value) ? value : { all: [value, n] });
  return (
    <div className="rd-cond" role="group" aria-label={label} data-at={pointer(at)}>
      {value !== undefined && (isGroup(value) ? <Group at={at} top /> : <Row at={at} />)}
      {!isGroup(value) && <AddMenu onAdd={add} first={value === undefined} />}
      <Problems at={at} deep={false} />
    </div>
  );
}

function AddMenu({ onAdd, first }: { onAdd: (n: Obj) => void; first?: boolean }) {
  const t = useText();
  const { readOnly } = useEditor();
  if (readOnly) return first ? <span className="muted">{t("always")}</span> : null;
  const items: MenuProps["items"] = [
    { key: "group", label: t("addGroup"), onClick: () => onAdd({ any: [{ field: "", op: "is", value: "" }] }) },
    { key: "not", label: t("addNot"), onClick: () => onAdd({ not: { any: [{ field: "", op: "is", value: "" }] } }) },
    { key: "some", label: t("addSome"), onClick: () => onAdd({ some: "", where: { field: "item", op: "is", value: "" } }) },
    { type: "divider" },
    { key: "cel", label: t("addFormula"), onClick: () => onAdd({ cel: "" }) },
  ];
  return (
    <div className="rd-add">
      <Button size="small" icon={<PlusOutlined aria-hidden />} onClick={() => onAdd({ field: "", op: "is", value: "" })}>
        {t(first ? "addFirstTest" : "addTest")}
      </Button>
      <Dropdown menu={{ items }} trigger={["click"]}>
        <Button size="small" type="text" icon={<DownOutlined aria-hidden />} iconPlacement="end">
          {t("moreWays")}
        </Button>
      </Dropdown>
    </div>
  );
}

/** Conditions of which all, or one, must hold. */
function Group({ at, top }: { at: Path; top?: boolean }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const kind = kindOfNode(value) as "all" | "any";
  const list = asList(asObj(value)[kind]);
  return (
    <div className="rd-group" data-kind={kind}>
      <div className="row">
        <Segmented
          size="small"
          aria-label={t("groupKind")}
          disabled={readOnly}
          value={kind}
          options={[
            { value: "all", label: t("all") },
            { value: "any", label: t("any") },
          ]}
          onChange={(k) => write({ [k]: list })}
        />
        <span className="muted small">{t(kind === "all" ? "allHint" : "anyHint")}</span>
        {!top && <RemoveNode at={at} />}
      </div>
      {list.map((_, i) => (
        <Node key={i} at={[...at, kind, i]} />
      ))}
      <AddMenu onAdd={(n) => write({ [kind]: [...list, n] })} />
      {!top && <Problems at={at} deep={false} />}
    </div>
  );
}

function Node({ at }: { at: Path }) {
  const [value] = usePlace(at);
  return isGroup(value) ? <Group at={at} /> : <Row at={at} />;
}

/** Takes a node out; a group that is empty then goes, too. */
export function RemoveNode({ at }: { at: Path }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [, write] = usePlace(at);
  const parent = at.slice(0, -2);
  const [above, writeAbove] = usePlace(parent);
  if (readOnly) return null;
  const kind = at.at(-2);
  const inGroup = typeof at.at(-1) === "number" && (kind === "all" || kind === "any");
  const take = () => {
    const list = inGroup ? asList(asObj(above)[kind]) : [];
    const rest = list.filter((_, i) => i !== at.at(-1));
    if (inGroup && !rest.length && at.at(-3) !== "cases") writeAbove(undefined);
    else write(undefined);
  };
  return <Button type="text" size="small" className="rd-out" icon={<CloseOutlined aria-hidden />} aria-label={t("removeTest")} onClick={take} />;
}

function Row({ at }: { at: Path }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const kind = kindOfNode(value);
  const node = asObj(value);
  if (kind === "field" || (quantifiers as readonly string[]).includes(kind)) {
    return (
      <div className="rd-test" data-at={pointer(at)}>
        {kind === "field" ? <TestRow at={at} /> : <Quantifier at={at} />}
        <RemoveNode at={at} />
        <Problems at={at} deep={kind === "field"} />
      </div>
    );
  }
  if (kind === "not") {
    return (
      <div className="rd-group" data-kind="not" data-at={pointer(at)}>
        <div className="row">
          <strong className="small">{t("not")}</strong>
          <span className="muted small">{t("notHint")}</span>
          <RemoveNode at={at} />
        </div>
        {node.not !== undefined && <Node at={[...at, "not"]} />}
        <Problems at={at} deep={false} />
      </div>
    );
  }
  return (
    <div className="rd-test" data-at={pointer(at)}>
      <div className="rd-cel">
        <span className="small">{t("formula")}</span>
        <Input.TextArea
          aria-label={t("formula")}
          className="mono"
          disabled={readOnly}
          autoSize
          value={kind === "cel" ? asText(node.cel) : JSON.stringify(value)}
          readOnly={kind === "bad"}
          placeholder='size(mail.attachments) > 0 && mail.subject.contains("PO")'
          onChange={(e) => write({ cel: e.target.value })}
        />
        <span className="rd-hint">{t("formulaHint")}</span>
      </div>
      <RemoveNode at={at} />
      <Problems at={at} />
    </div>
  );
}
