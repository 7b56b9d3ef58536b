// Data that has no form of its own, as people can read and change it: names with their values, lists, and what is inside them.
import { PlusOutlined } from "@ant-design/icons";
import { Button, Dropdown, Input } from "antd";
import { useEditor, usePlace } from "./editor";
import { asText, isObj, pointer, type Json, type Obj, type Path } from "./json";
import { Remove, ValueOf } from "./Rows";
import { useText } from "../texts";

const isFact = (v: Json | undefined) => isObj(v) && typeof v.fact === "string" && Object.keys(v).length === 1;
const blank: Record<"value" | "group" | "list", Json> = { value: "", group: {}, list: [] };

export function Tree({ at, label }: { at: Path; label: string }) {
  const [value, write] = usePlace(at);
  return <Node at={at} value={value === undefined ? {} : value} write={(v) => write(isObj(v) && !Object.keys(v).length ? undefined : v)} label={label} />;
}

function Node({ at, value, write, label }: { at: Path; value: Json | undefined; write: (v: Json | undefined) => void; label: string }) {
  if (Array.isArray(value)) return <List at={at} list={value} write={write} label={label} />;
  if (isObj(value) && !isFact(value)) return <Group at={at} group={value} write={write} label={label} />;
  return <ValueOf value={value} onChange={write} at={at} label={label} />;
}

function AddTo({ onAdd, group }: { onAdd: (v: Json) => void; group: boolean }) {
  const t = useText();
  const { readOnly } = useEditor();
  if (readOnly) return null;
  const items = (["value", "group", "list"] as const).map((k) => ({ key: k, label: t(`tree.${k}`), onClick: () => onAdd(blank[k]) }));
  return (
    <Dropdown menu={{ items }} trigger={["click"]}>
      <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />}>
        {t(group ? "addField" : "addRow")}
      </Button>
    </Dropdown>
  );
}

const deep = (v: Json | undefined) => (isObj(v) && !isFact(v)) || Array.isArray(v);

function Group({ at, group, write, label }: { at: Path; group: Obj; write: (v: Json) => void; label: string }) {
  const t = useText();
  const { readOnly } = useEditor();
  const entries = Object.entries(group);
  const rename = (from: string, to: string) => to && !(to in group) && write(Object.fromEntries(entries.map(([k, v]) => [k === from ? to : k, v])));
  const free = () => {
    for (let n = entries.length + 1; ; n++) if (!(t("tree.name", { n }) in group)) return t("tree.name", { n });
  };
  return (
    <div className="rd-rows" role="group" aria-label={label} data-at={pointer(at)}>
      {entries.map(([name, v]) => (
        <div className="rd-row" data-deep={deep(v) || undefined} key={name}>
          <Input aria-label={t("fieldName")} disabled={readOnly} defaultValue={name} onBlur={(e) => rename(name, e.target.value.trim())} onPressEnter={(e) => rename(name, e.currentTarget.value.trim())} />
          <Node at={[...at, name]} value={v} write={(x) => write({ ...group, [name]: x ?? "" })} label={t("valueOf", { name })} />
          <Remove what={name} onClick={() => write(Object.fromEntries(entries.filter(([k]) => k !== name)))} />
        </div>
      ))}
      <AddTo group onAdd={(v) => write({ ...group, [free()]: v })} />
    </div>
  );
}

function List({ at, list, write, label }: { at: Path; list: Json[]; write: (v: Json) => void; label: string }) {
  const t = useText();
  return (
    <div className="rd-rows" role="group" aria-label={label} data-at={pointer(at)}>
      {list.map((v, i) => (
        <div className="rd-row two" data-deep={deep(v) || undefined} key={i}>
          <Node at={[...at, i]} value={v} write={(x) => write(list.map((y, n) => (n === i ? (x ?? "") : y)))} label={t("tree.nth", { n: i + 1 })} />
          <Remove what={isObj(v) ? t("tree.nth", { n: i + 1 }) : asText(v)} onClick={() => write(list.filter((_, n) => n !== i))} />
        </div>
      ))}
      <AddTo group={false} onAdd={(v) => write([...list, v])} />
    </div>
  );
}
