// Values that are found in the text of the mail, by the words before them: an order number, an amount, a phone.
import { DeleteOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Select } from "antd";
import { useState } from "react";
import { useEditor, usePlace, useWords } from "./editor";
import { asObj, asText, pointer, texts, type Obj } from "./json";
import { Param, useParamLabel } from "./Params";
import { Problems } from "./problems";
import { useText } from "../texts";

export function Extract() {
  const t = useText();
  const words = useWords();
  const { vocab, readOnly } = useEditor();
  const [value, write] = usePlace(["extract"]);
  const all = Object.entries(asObj(value));
  const add = (kind: string) => {
    const taken = new Set(all.map(([k]) => k));
    let name = kind;
    for (let n = 2; taken.has(name); n++) name = `${kind}_${n}`;
    write({ ...asObj(value), [name]: { label: [], kind } });
  };
  if (!all.length && readOnly) return null;
  return (
    <div className="rd-extract" data-at="/extract">
      <h3>{t("extract")}</h3>
      {!all.length && <p className="rd-hint">{t("extractHint")}</p>}
      {all.map(([name, spec]) => (
        <Value key={name} name={name} spec={asObj(spec)} remove={() => write(all.length > 1 ? Object.fromEntries(all.filter(([k]) => k !== name)) : undefined)} />
      ))}
      {!readOnly && (
        <Select aria-label={t("addExtract")} size="small" value={null} placeholder={<><PlusOutlined aria-hidden /> {t("addExtract")}</>} options={vocab.extract_kinds.map((k) => ({ value: k.kind, label: words(k.label) }))} onChange={(k: string | null) => k && add(k)} style={{ minWidth: 180 }} popupMatchSelectWidth={false} />
      )}
    </div>
  );
}

function Value({ name, spec, remove }: { name: string; spec: Obj; remove: () => void }) {
  const t = useText();
  const words = useWords();
  const { vocab, readOnly } = useEditor();
  const label = useParamLabel();
  const [more, setMore] = useState(spec.pattern !== undefined || spec.table !== undefined);
  const at = ["extract", name];
  const kind = vocab.extract_kinds.find((k) => k.kind === asText(spec.kind));
  const shown = vocab.extract.filter((p) => ["label"].includes(p.name) || (more && !["kind"].includes(p.name)));
  return (
    <div className="rd-value-card" data-at={pointer(at)} role="group" aria-label={texts(spec.label)[0] ?? name}>
      <div className="row">
        <strong>{kind ? words(kind.label) : name}</strong>
        <span className="grow" />
        <Button type="link" size="small" aria-expanded={more} onClick={() => setMore(!more)}>
          {t(more ? "less" : "more")}
        </Button>
        {!readOnly && <Button type="text" size="small" icon={<DeleteOutlined aria-hidden />} aria-label={t("removeRow", { what: label({ name, label: kind?.label ?? { zh: name, en: name }, type: "text", required: false }) })} onClick={remove} />}
      </div>
      {shown.map((p) => (
        <Param key={p.name} param={p} at={[...at, p.name]} of={at} kind="extract" />
      ))}
      <Problems at={at} deep={false} />
    </div>
  );
}
