// The form of one part of a document.
import { Segmented, Select } from "antd";
import { Chips } from "../Chips";
import { useEditor, usePlace } from "../editor";
import { numbered, stepTitle } from "../facts";
import { asObj, asText, pointer, type Path } from "../json";
import { Tree } from "../Tree";
import { useText } from "../../texts";
import { Chart } from "../table/Chart";
import { Field } from "../table/Cards";
import { TableSelect } from "../table/TableSelect";
import type { Tables } from "../table/useColumns";
import { kindOfBlock } from "./blocks";
import { Facts } from "./Facts";
import { Process, Signatures } from "./Lines";

export function Block({ at, w, tables, mail }: { at: Path; w: Path; tables: Tables; mail: boolean }) {
  const t = useText();
  const [value, write] = usePlace(at);
  const block = asObj(value);
  switch (kindOfBlock(value)) {
    case "heading":
      return <Heading at={at} />;
    case "paragraph":
      return <Chips kind="template" value={asText(block.paragraph)} onChange={(v) => write({ ...block, paragraph: v })} at={[...at, "paragraph"]} label={t("doc.block.paragraph")} />;
    case "facts":
      return <Facts at={[...at, "facts"]} />;
    case "table":
      return (
        <Field label={t("doc.which")}>
          <TableSelect at={[...at, "table", "of"]} w={w} label={t("doc.which")} fresh={t("rep.table")} />
        </Field>
      );
    case "chart":
      return (
        <>
          <Field label={t("doc.which")}>
            <TableSelect at={[...at, "chart", "of"]} w={w} label={t("doc.which")} fresh={t("rep.table")} />
          </Field>
          <Chart at={[...at, "chart"]} cols={tables.named(asText(asObj(block.chart).of))} />
        </>
      );
    case "pictures":
      return <Pictures at={[...at, "pictures"]} mail={mail} />;
    case "process":
      return <Process at={[...at, "process"]} />;
    case "signatures":
      return <Signatures at={[...at, "signatures"]} />;
    case "page_break":
      return <p className="rd-hint">{t("doc.pageBreak")}</p>;
  }
  return <Tree at={at} label={t("doc.block.other")} />;
}

function Heading({ at }: { at: Path }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const block = asObj(value);
  return (
    <div className="rd-heading">
      <Chips value={asText(block.heading)} onChange={(v) => write({ ...block, heading: v })} at={[...at, "heading"]} label={t("doc.block.heading")} />
      <Segmented
        aria-label={t("doc.level")}
        disabled={readOnly}
        value={block.level === 2 ? 2 : 1}
        options={[{ value: 1, label: t("doc.level1") }, { value: 2, label: t("doc.level2") }]}
        onChange={(n) => write({ ...Object.fromEntries(Object.entries(block).filter(([k]) => k !== "level")), ...(n === 2 && { level: 2 }) })}
      />
    </div>
  );
}

function Pictures({ at, mail }: { at: Path; mail: boolean }) {
  const t = useText();
  const { rule, vocab, readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const o = asObj(value);
  const me = pointer(at);
  // Steps that make files, and stand elsewhere.
  const steps = numbered(rule).filter((s) => !me.startsWith(`${pointer(s.path)}/`) && vocab.steps.find((x) => x.kind === s.kind)?.outputs.some((x) => x.name === "files"));
  const options = [...(mail || o.of === "mail" ? [{ value: "mail", label: t("doc.ofMail") }] : []), ...steps.map((s) => ({ value: s.id, label: t("doc.ofStep", { step: `${s.n} ${stepTitle(vocab, s.kind, t.lang)}` }) }))];
  const of = asText(o.of);
  return (
    <div className="rd-grid">
      <Field label={t("doc.picturesOf")}>
        <Select aria-label={t("doc.picturesOf")} disabled={readOnly} placeholder={t("choose")} value={of || undefined} options={of && !options.some((x) => x.value === of) ? [...options, { value: of, label: of }] : options} onChange={(v: string) => write({ ...o, of: v })} style={{ width: "100%" }} />
      </Field>
      <Field label={t("doc.perRow")}>
        <Segmented aria-label={t("doc.perRow")} disabled={readOnly} value={Number(o.columns || 2)} options={[1, 2, 3, 4]} onChange={(n) => write({ ...o, columns: n })} />
      </Field>
    </div>
  );
}
