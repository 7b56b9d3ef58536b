// A chip that was clicked: another field, words for no value, a format; or away with it.
import { DeleteOutlined } from "@ant-design/icons";
import { Button, Checkbox, Form, Input, Modal, Select } from "antd";
import { useState } from "react";
import type { Known } from "./facts";
import { fallback, formatOf, shaped, type Piece, type Pipe } from "./template";
import { useText } from "../texts";
import { useDescribe } from "./useDescribe";

type Format = { value: string; pipe: Pipe; for: string[] };
const formats: Format[] = [
  { value: "money CNY", pipe: { name: "money", args: ['"CNY"'] }, for: ["money", "number", "open"] },
  { value: "money USD", pipe: { name: "money", args: ['"USD"'] }, for: ["money", "number", "open"] },
  { value: "money EUR", pipe: { name: "money", args: ['"EUR"'] }, for: ["money", "number", "open"] },
  { value: "number 0", pipe: { name: "number", args: ["0"] }, for: ["number", "open"] },
  { value: "number 2", pipe: { name: "number", args: ["2"] }, for: ["number", "open"] },
  { value: "date 短日期", pipe: { name: "date", args: ['"短日期"'] }, for: ["time", "open"] },
  { value: "date 长日期", pipe: { name: "date", args: ['"长日期"'] }, for: ["time", "open"] },
  { value: "date 日期时间", pipe: { name: "date", args: ['"日期时间"'] }, for: ["time", "open"] },
  { value: "date long", pipe: { name: "date", args: ['"long"'] }, for: ["time", "open"] },
  { value: "cut 200", pipe: { name: "cut", args: ["200"] }, for: ["text", "open"] },
  { value: "upper", pipe: { name: "upper", args: [] }, for: ["text"] },
  { value: "lower", pipe: { name: "lower", args: [] }, for: ["text"] },
  { value: "join", pipe: { name: "join", args: ['"、"'] }, for: ["list"] },
  { value: "list", pipe: { name: "list", args: [] }, for: ["list"] },
];
const nameOf = (p: Pipe) => [p.name, ...p.args.map((a) => a.replace(/^"|"$/g, ""))].join(" ").replace(/^join .*/, "join");

export function ChipForm({ piece, known, done, close }: { anchor: HTMLElement; piece: Piece; known: Known[]; done: (p: Piece | undefined) => void; close: () => void }) {
  const t = useText();
  const describe = useDescribe();
  const [now, setNow] = useState(piece);
  const remove = (
    <Button key="remove" danger type="text" icon={<DeleteOutlined aria-hidden />} onClick={() => done(undefined)} style={{ marginRight: "auto" }}>
      {t("removeField")}
    </Button>
  );
  const footer = (
    <div className="row">
      {remove}
      <span className="grow" />
      <Button onClick={close}>{t("cancel")}</Button>
      <Button type="primary" onClick={() => done(now)}>
        {t("ok")}
      </Button>
    </div>
  );
  if (now.kind !== "field") {
    return (
      <Modal open title={t("codeTitle")} onCancel={close} footer={footer} width={520}>
        <p className="muted">{t("codeHint")}</p>
        <Input.TextArea aria-label={t("codeTitle")} className="mono" autoSize={{ minRows: 2, maxRows: 8 }} value={now.text} onChange={(e) => setNow({ kind: "code", text: e.target.value })} />
      </Modal>
    );
  }
  const type = known.find((k) => k.path === now.path)?.type ?? "open";
  const format = formatOf(now);
  const value = format ? nameOf(format) : "";
  const options = [
    { value: "", label: t("format.plain") },
    ...formats.filter((f) => f.for.includes(type) || f.value === value).map((f) => ({ value: f.value, label: t.any(`formatFull.${f.value.replaceAll(" ", "_")}`, f.value) })),
    ...(value && !formats.some((f) => f.value === value) ? [{ value, label: value }] : []),
  ];
  const text = fallback(now);
  return (
    <Modal open title={describe({ ...now, pipes: [] }).text} onCancel={close} footer={footer} width={440}>
      <Form layout="vertical" onFinish={() => done(now)}>
        <Form.Item label={t("format")}>
          <Select aria-label={t("format")} value={value} options={options} onChange={(v: string) => setNow(shaped(now, { format: formats.find((f) => f.value === v)?.pipe }))} />
        </Form.Item>
        <Form.Item label={t("ifEmpty")} style={{ marginBottom: 0 }}>
          <Checkbox checked={text !== undefined} onChange={(e) => setNow(shaped(now, { fallback: e.target.checked ? "" : undefined }))}>
            {t("ifEmptyWrite")}
          </Checkbox>
          {text !== undefined && <Input aria-label={t("ifEmpty")} style={{ marginTop: 8 }} value={text} maxLength={500} onChange={(e) => setNow(shaped(now, { fallback: e.target.value }))} placeholder={t("ifEmptyExample")} />}
        </Form.Item>
      </Form>
    </Modal>
  );
}
