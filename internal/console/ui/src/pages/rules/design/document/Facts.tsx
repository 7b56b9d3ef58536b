// Lines with a name and what it is: the reporter, the product, the batch. What is to be noticed is red.
import { Checkbox, Input } from "antd";
import { Chips } from "../Chips";
import { useEditor, usePlace } from "../editor";
import { asList, asObj, asText, type Obj, type Path } from "../json";
import { Add, Remove } from "../Rows";
import { useText } from "../../texts";
import { FromField } from "./FromField";

export function Facts({ at }: { at: Path }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const list = asList(value).map(asObj);
  const put = (i: number, row: Obj | undefined) => {
    const next = list.flatMap((x, n) => (n !== i ? [x] : row ? [Object.fromEntries(Object.entries(row).filter(([, v]) => v !== undefined))] : []));
    write(next.length ? next : undefined);
  };
  return (
    <FromField at={at} label={t("doc.facts")}>
      <div className="rd-rows">
        {list.map((row, i) => (
          <div className="rd-row fact" key={i}>
            <Input aria-label={t("doc.label")} placeholder={t("doc.labelExample")} disabled={readOnly} value={asText(row.label)} onChange={(e) => put(i, { ...row, label: e.target.value })} />
            <Chips value={asText(row.value)} onChange={(v) => put(i, { ...row, value: v })} at={[...at, i, "value"]} label={t("valueOf", { name: asText(row.label) })} />
            <Checkbox disabled={readOnly} checked={row.warn === true} onChange={(e) => put(i, { ...row, warn: e.target.checked || undefined })} aria-label={t("doc.warnOf", { name: asText(row.label) })}>
              <span aria-hidden>{t("doc.warn")}</span>
            </Checkbox>
            <Remove what={asText(row.label)} onClick={() => put(i, undefined)} />
          </div>
        ))}
        <Add onClick={() => write([...list, { label: "", value: "" }])}>{t("addRow")}</Add>
      </div>
    </FromField>
  );
}
