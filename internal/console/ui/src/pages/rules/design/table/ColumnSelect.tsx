// One or several columns of a table, by their headings. A column that is not known can be typed: what a system has may be hidden from us.
import { Select } from "antd";
import { useEditor } from "../editor";
import { useText } from "../../texts";
import type { Col } from "./columns";

const options = (cols: Col[], own: string[]) => [...cols, ...own.filter((k) => k && !cols.some((c) => c.key === k)).map((key) => ({ key, label: key }))].map((c) => ({ value: c.key, label: c.label }));

export function ColumnSelect({ value, onChange, cols, label, clear, id }: { value: string; onChange: (v: string | undefined) => void; cols: Col[]; label: string; clear?: boolean; id?: string }) {
  const t = useText();
  const { readOnly } = useEditor();
  return (
    <Select
      id={id}
      mode={cols.length ? undefined : "tags"}
      maxCount={cols.length ? undefined : 1}
      showSearch
      optionFilterProp="label"
      aria-label={label}
      disabled={readOnly}
      allowClear={clear}
      placeholder={t(cols.length ? "rep.chooseColumn" : "rep.typeColumn")}
      value={(cols.length ? value || undefined : value ? [value] : []) as string | undefined}
      options={options(cols, [value])}
      onChange={(v?: string | string[]) => onChange(Array.isArray(v) ? v.at(-1) : v)}
      style={{ width: "100%" }}
      popupMatchSelectWidth={false}
    />
  );
}

export function ColumnsSelect({ value, onChange, cols, label }: { value: string[]; onChange: (v: string[]) => void; cols: Col[]; label: string }) {
  const t = useText();
  const { readOnly } = useEditor();
  return <Select mode="tags" aria-label={label} disabled={readOnly} tokenSeparators={[",", "，", "、"]} optionFilterProp="label" placeholder={t(cols.length ? "rep.chooseColumns" : "rep.typeColumn")} value={value} options={options(cols, value)} onChange={onChange} style={{ width: "100%" }} notFoundContent={cols.length ? undefined : null} />;
}
