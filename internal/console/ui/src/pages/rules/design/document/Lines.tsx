// The steps of a process, and the lines to sign on.
import { Input, Select } from "antd";
import { Chips } from "../Chips";
import { useEditor, usePlace } from "../editor";
import { asList, asObj, asText, type Obj, type Path } from "../json";
import { Add, Remove } from "../Rows";
import { useText } from "../../texts";
import { FromField } from "./FromField";

function useLines(at: Path) {
  const [value, write] = usePlace(at);
  const list = asList(value).map(asObj);
  const put = (i: number, row: Obj | undefined) => write(list.flatMap((x, n) => (n !== i ? [x] : row ? [Object.fromEntries(Object.entries(row).filter(([k, v]) => v !== undefined && (v !== "" || k === "title" || k === "role")))] : [])));
  return { list, put, add: (row: Obj) => write([...list, row]) };
}

const states = ["done", "current", "open", "failed"] as const;

export function Process({ at }: { at: Path }) {
  const t = useText();
  const { readOnly } = useEditor();
  const { list, put, add } = useLines(at);
  return (
    <FromField at={at} label={t("doc.block.process")}>
      <div className="rd-rows">
        {list.map((row, i) => {
          const line = (name: "title" | "when" | "by" | "text") => (
            <div>
              <span className="rd-label" aria-hidden>
                {t(`doc.${name}`)}
              </span>
              <Chips value={asText(row[name])} onChange={(v) => put(i, { ...row, [name]: v })} at={[...at, i, name]} label={t("doc.ofStepN", { what: t(`doc.${name}`), n: i + 1 })} />
            </div>
          );
          return (
            <div className="rd-process" key={i} role="group" aria-label={t("doc.stepN", { n: i + 1 })}>
              {line("title")}
              <div>
                <span className="rd-label" aria-hidden>
                  {t("doc.state")}
                </span>
                <Select aria-label={t("doc.ofStepN", { what: t("doc.state"), n: i + 1 })} disabled={readOnly} value={asText(row.state) || "done"} options={states.map((s) => ({ value: s, label: t(`doc.state.${s}`) }))} onChange={(state) => put(i, { ...row, state })} style={{ width: "100%" }} />
              </div>
              {line("when")}
              {line("by")}
              {line("text")}
              <Remove what={asText(row.title) || t("doc.stepN", { n: i + 1 })} onClick={() => put(i, undefined)} />
            </div>
          );
        })}
        <Add onClick={() => add({ title: "", state: "open" })}>{t("doc.addStep")}</Add>
      </div>
    </FromField>
  );
}

export function Signatures({ at }: { at: Path }) {
  const t = useText();
  const { readOnly } = useEditor();
  const { list, put, add } = useLines(at);
  return (
    <FromField at={at} label={t("doc.block.signatures")}>
      <div className="rd-rows">
        {list.map((row, i) => (
          <div className="rd-row four" key={i} role="group" aria-label={asText(row.role) || t("doc.role")}>
            <Input aria-label={t("doc.role")} placeholder={t("doc.roleExample")} disabled={readOnly} value={asText(row.role)} onChange={(e) => put(i, { ...row, role: e.target.value })} />
            <Chips value={asText(row.name)} onChange={(v) => put(i, { ...row, name: v })} at={[...at, i, "name"]} label={t("doc.name")} />
            <Chips value={asText(row.date)} onChange={(v) => put(i, { ...row, date: v })} at={[...at, i, "date"]} label={t("doc.date")} />
            <Remove what={asText(row.role)} onClick={() => put(i, undefined)} />
          </div>
        ))}
        <Add onClick={() => add({ role: "" })}>{t("doc.addSignature")}</Add>
      </div>
    </FromField>
  );
}
