// Another table: one of this step, an uploaded one, or a new one.
import { Select } from "antd";
import { useEditor, usePlace } from "../editor";
import { asObj, asText, get, set, type Path } from "../json";
import { useText } from "../../texts";
import { freeKey } from "./columns";

const another = "\u0000";

/** at: where the name stands; w: the parameters of the step; fresh: what a new table is called. */
export function TableSelect({ at, w, label, fresh }: { at: Path; w: Path; label: string; fresh: string }) {
  const t = useText();
  const { rule, change, readOnly, vocab } = useEditor();
  const [value, write] = usePlace(at);
  const step = asObj(get(rule, w));
  const own = Object.keys(asObj(step.tables));
  const uploaded = vocab.tables.map((x) => x.name).filter((n) => !own.includes(n));
  const name = asText(value);
  const target = asText(step.target) || asText(asObj(rule.trigger).target) || (vocab.targets.find((x) => x.default) ?? vocab.targets[0])?.name;
  const make = () => {
    const key = freeKey(fresh, [...own, ...uploaded]);
    change((r) => set(set(r, [...w, "tables", key], target ? { target } : { table: "" }), at, key));
  };
  return (
    <Select
      aria-label={label}
      disabled={readOnly}
      showSearch
      optionFilterProp="label"
      placeholder={t("choose")}
      value={name || undefined}
      options={[
        ...own.map((n) => ({ value: n, label: n })),
        ...uploaded.map((n) => ({ value: n, label: t("rep.uploaded", { name: n }) })),
        ...(name && !own.includes(name) && !uploaded.includes(name) ? [{ value: name, label: t("rep.missingTable", { name }) }] : []),
        { value: another, label: t("rep.newTable") },
      ]}
      onChange={(v: string) => (v === another ? make() : write(v))}
      style={{ width: "100%" }}
    />
  );
}
