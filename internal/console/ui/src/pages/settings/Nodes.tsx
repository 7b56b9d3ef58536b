import { DeleteOutlined, PlusOutlined, UndoOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useState } from "react";
import { State } from "@/kit";
import { AddElement } from "./AddElement";
import { useDraft } from "./draft";
import { Row } from "./Row";
import { useText } from "./texts";
import type { Element, Node, Setting } from "./tree";
import { useWords } from "./words";

/** Keys, sections and lists, one below the other. */
export function Nodes({ nodes, top }: { nodes: Node[]; top?: boolean }) {
  return nodes.map((n) => {
    const { setting } = n;
    if (setting.type === "section") return <Section key={setting.path} node={n} />;
    if (setting.type === "list" && setting.element === "section") return <List key={setting.path} node={n} top={top} />;
    return <Row key={setting.path} setting={setting} />;
  });
}

function Section({ node }: { node: Node }) {
  const words = useWords();
  const { searching } = useDraft();
  const help = words.help(node.setting);
  return (
    <details className="setting-group" open={searching || node.setting.set || undefined}>
      <summary>
        <h3>{words.label(node.setting)}</h3>
        {help && <span className="muted small">{help}</span>}
      </summary>
      <Nodes nodes={node.children} />
    </details>
  );
}

function List({ node, top }: { node: Node; top?: boolean }) {
  const t = useText();
  const words = useWords();
  const { draft, setDraft, write } = useDraft();
  const [adding, setAdding] = useState(false);
  const { setting } = node;
  const mine = draft.added.map((a, i) => ({ ...a, i })).filter((a) => a.path === setting.path);
  const help = words.help(setting);
  return (
    <div className="setting-list" role="group" aria-label={words.label(setting)}>
      <div className="row">
        {!top && (
          <div className="grow">
            <h3>{words.label(setting)}</h3>
            {help && <span className="muted small">{help}</span>}
          </div>
        )}
        {top && <span className="grow" />}
        {write && (
          <Button size="small" icon={<PlusOutlined aria-hidden />} onClick={() => setAdding(true)}>
            {t("addElement")}
          </Button>
        )}
      </div>
      {!node.elements.length && !mine.length && <p className="muted small">{t("noElements")}</p>}
      {node.elements.map((e) => (
        <One key={e.path} element={e} list={setting} />
      ))}
      {mine.map((a) => (
        <div key={a.i} className="setting-element row">
          <strong>{title(a.value)}</strong>
          <State tone="info">{t("willBeAdded")}</State>
          <span className="grow" />
          <Button size="small" icon={<UndoOutlined aria-hidden />} onClick={() => setDraft((d) => ({ ...d, added: d.added.filter((_, i) => i !== a.i) }))}>
            {t("undo")}
          </Button>
        </div>
      ))}
      {adding && <AddElement list={setting} close={() => setAdding(false)} />}
    </div>
  );
}

const titles = ["name", "address", "label", "protocol", "group", "match", "domain", "text"];

/** What an element of a list is called. */
export function title(values: Record<string, unknown>) {
  for (const k of titles) {
    const v = values[k];
    if (typeof v === "string" && v) return k === "address" && typeof values.protocol === "string" ? `${values.protocol.toUpperCase()} ${v}` : v;
    if (Array.isArray(v) && v.length) return v.join(", ");
  }
  return "";
}

function One({ element, list }: { element: Element; list: Setting }) {
  const t = useText();
  const { draft, setDraft, write, searching } = useDraft();
  const removed = draft.removed.includes(element.path);
  const values = Object.fromEntries(element.children.map((c) => [c.setting.path.slice(c.setting.path.lastIndexOf(".") + 1), draft.set[c.setting.path] ?? c.setting.value]));
  const n = Number(/\[(\d+)\]$/.exec(element.path)?.[1] ?? 0) + 1;
  const touched = Object.keys(draft.set).some((p) => p.startsWith(`${element.path}.`));
  return (
    <details className="setting-element" data-removed={removed || undefined} open={searching || (Array.isArray(list.value) && list.value.length === 1) || undefined}>
      <summary>
        <strong>{title(values) || t("nth", { n })}</strong>
        {typeof values.type === "string" && values.type && <span className="muted small">{values.type}</span>}
        {removed ? <State tone="bad">{t("willBeRemoved")}</State> : touched && <State tone="info">{t("changed")}</State>}
      </summary>
      {!removed && <Nodes nodes={element.children} />}
      {write && (
        <div className="setting-foot">
          <Button
            size="small"
            danger={!removed}
            icon={removed ? <UndoOutlined aria-hidden /> : <DeleteOutlined aria-hidden />}
            onClick={() => setDraft((d) => ({ ...d, removed: removed ? d.removed.filter((p) => p !== element.path) : [...d.removed, element.path] }))}
          >
            {removed ? t("undo") : t("removeElement")}
          </Button>
        </div>
      )}
    </details>
  );
}
