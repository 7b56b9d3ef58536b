import { ArrowRightOutlined } from "@ant-design/icons";
import { Checkbox, Input, Select } from "antd";
import { useState } from "react";
import type { Schemas } from "@/api/client";
import { State } from "@/kit";
import { useText } from "./texts";

type Mapping = Schemas["exchange"]["ColumnMapping"];
type Field = Schemas["exchange"]["ImportField"];

/** A column of the file, some of its values, and what it means. */
export function ColumnRow({ column: m, table, fields, taken, problem, set }: { column: Mapping; table: boolean; fields: Field[]; taken: Mapping[]; problem: boolean; set: (field: string) => void }) {
  const t = useText();
  const name = m.header || t("column", { n: m.column + 1 });
  const id = `column-${m.column}`;
  const doubtful = Boolean(m.field) && (m.confidence ?? 1) < 0.8;
  const used = new Set(taken.filter((x) => x.column !== m.column).map((x) => x.field));
  const options = [
    { value: "", label: t("drop.column") },
    ...fields.map((f) => ({ value: f.name, label: f.label[t.lang], disabled: !f.many && used.has(f.name) })),
  ];
  return (
    <li data-off={!m.field || undefined} data-problem={problem || undefined}>
      <div className="exchange-from">
        <label htmlFor={id}>{name}</label>
        <div className="small muted cut">{m.samples?.filter(Boolean).join(t.lang === "zh" ? "、" : ", ")}</div>
      </div>
      <ArrowRightOutlined aria-hidden className="muted" />
      <div className="exchange-to">
        {table ? (
          <Name id={id} name={m.field ?? ""} header={name} set={set} />
        ) : (
          <Select id={id} value={m.field ?? ""} onChange={set} options={options} showSearch={{ optionFilterProp: "label" }} status={problem ? "error" : doubtful ? "warning" : undefined} style={{ width: "100%" }} />
        )}
      </div>
      <div className="exchange-sure">
        {m.field &&
          (m.by === "person" ? (
            <State>{t("chosen")}</State>
          ) : doubtful ? (
            <State tone="warn">{t("look", { percent: Math.round((m.confidence ?? 0) * 100) })}</State>
          ) : (
            !table && <State tone="good">{m.by === "values" ? t("byValues") : t("byHeader")}</State>
          ))}
      </div>
    </li>
  );
}

/** The name that a column of a table gets. */
function Name({ id, name, header, set }: { id: string; name: string; header: string; set: (field: string) => void }) {
  const t = useText();
  const [text, setText] = useState(name);
  return (
    <div className="row" style={{ flexWrap: "nowrap" }}>
      <Checkbox
        checked={Boolean(name)}
        aria-label={t("takeColumn", { name: header })}
        onChange={(e) => {
          const next = e.target.checked ? text || header : "";
          setText(next || text);
          set(next);
        }}
      />
      <Input id={id} value={text} disabled={!name} onChange={(e) => setText(e.target.value)} onBlur={() => text.trim() && text !== name && set(text.trim())} onPressEnter={(e) => e.currentTarget.blur()} maxLength={100} />
    </div>
  );
}
