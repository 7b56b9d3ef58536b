// Where the lines of a table come from, which of them count, which columns are taken, and what is done with them.
import { Segmented } from "antd";
import { useEditor, usePlace } from "../editor";
import { asObj, asText, type Obj, type Path } from "../json";
import { Param } from "../Params";
import { Selections } from "../Rows";
import { useText } from "../../texts";
import { Columns } from "./Columns";
import { Operations } from "./Operations";
import { Section } from "./Section";
import type { Tables } from "./useColumns";

type From = "records" | "table" | "list";
const fromOf = (s: Obj): From => (s.table !== undefined ? "table" : s.from !== undefined ? "list" : "records");
// Tests of lines that are here already: the system is not asked.
const local = ["eq", "ne", "in", "contains", "empty"];

/** at: the source; w: the parameters of the step. */
export function Source({ at, w, tables }: { at: Path; w: Path; tables: Tables }) {
  const t = useText();
  const { vocab, readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const source = asObj(value);
  const from = fromOf(source);
  const params = vocab.steps.find((s) => s.kind === "report")?.parameters ?? [];
  const param = (name: string) => {
    const p = params.find((x) => x.name === name);
    return p && <Param param={{ ...p, required: true }} at={[...at, name]} of={at} kind="report" />;
  };
  const turn = (to: From) => {
    const rest = Object.fromEntries(Object.entries(source).filter(([k]) => !["from", "table", "target", "object", "fields"].includes(k)));
    const target = (vocab.targets.find((x) => x.default) ?? vocab.targets[0])?.name ?? "";
    write({ ...rest, ...(to === "table" ? { table: "" } : to === "list" ? { from: "" } : { target }) });
  };
  const lines = tables.lines(source);
  return (
    <>
      <Section title={t("rep.source")}>
        <Segmented aria-label={t("rep.source")} disabled={readOnly} value={from} options={(["records", "table", "list"] as const).map((k) => ({ value: k, label: t(`rep.from.${k}`) }))} onChange={turn} />
        {from === "records" && (
          <div className="rd-pair">
            {param("target")}
            {param("object")}
          </div>
        )}
        {from === "table" && param("table")}
        {from === "table" && !vocab.tables.length && <p className="rd-hint">{t("rep.noTables")}</p>}
        {from === "list" && param("from")}
      </Section>
      <Section title={t("rep.where")} hint={t("rep.whereHint")}>
        <Selections at={[...at, "where"]} of={at} label={t("rep.where")} options={lines.map((c) => ({ value: c.key, label: c.label }))} only={asText(source.target) ? undefined : local} />
      </Section>
      <Section title={t("rep.columns")}>
        <Columns at={[...at, "spec", "columns"]} cols={lines} none={t(source.fields === undefined ? "rep.columnsAll" : "rep.columnsFields")} />
        {source.fields !== undefined && param("fields")}
      </Section>
      <Section title={t("rep.operations")}>
        <Operations source={at} w={w} tables={tables} />
      </Section>
    </>
  );
}
