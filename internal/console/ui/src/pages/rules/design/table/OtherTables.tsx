// The other tables of a step: what it is compared with or joined to, or what a document shows.
import { DeleteOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Collapse, Input } from "antd";
import { useEditor, usePlace } from "../editor";
import { asObj, asText, get, pointer, set, type Path } from "../json";
import { Problems } from "../problems";
import { useText } from "../../texts";
import { freeKey, renamed } from "./columns";
import { Section } from "./Section";
import { Source } from "./Source";
import type { Tables } from "./useColumns";

export function OtherTables({ w, tables, always }: { w: Path; tables: Tables; always?: boolean }) {
  const t = useText();
  const { change, readOnly, vocab, rule } = useEditor();
  const [value] = usePlace([...w, "tables"]);
  const names = Object.keys(asObj(value));
  if (!names.length && (!always || readOnly)) return null;
  const rename = (from: string, to: string) => change((r) => set(r, w, renamed(asObj(get(r, w)), from, to.trim())));
  const remove = (name: string) => change((r) => set(r, names.length > 1 ? [...w, "tables", name] : [...w, "tables"], undefined));
  const target = asText(asObj(rule.trigger).target) || (vocab.targets.find((x) => x.default) ?? vocab.targets[0])?.name;
  const add = () => change((r) => set(r, [...w, "tables", freeKey(t("rep.table"), names)], target ? { target } : { table: "" }));
  return (
    <Section title={t(always ? "rep.docTables" : "rep.otherTables")} hint={t(always ? "rep.docTablesHint" : "rep.otherTablesHint")}>
      {names.map((name) => (
        <Collapse
          key={name}
          className="rd-table"
          defaultActiveKey={["open"]}
          items={[
            {
              key: "open",
              label: t("rep.tableNamed", { name }),
              children: (
                <div data-at={pointer([...w, "tables", name])} role="group" aria-label={t("rep.tableNamed", { name })}>
                  <div className="row">
                    <span aria-hidden>{t("rep.tableName")}</span>
                    <Input aria-label={t("rep.tableName")} disabled={readOnly} defaultValue={name} onBlur={(e) => rename(name, e.target.value)} onPressEnter={(e) => rename(name, e.currentTarget.value)} style={{ maxWidth: 320 }} />
                    <span className="grow" />
                    {!readOnly && <Button size="small" type="text" icon={<DeleteOutlined aria-hidden />} aria-label={t("removeRow", { what: name })} onClick={() => remove(name)} />}
                  </div>
                  <Source at={[...w, "tables", name]} w={w} tables={tables} />
                  <Problems at={[...w, "tables", name]} deep={false} />
                </div>
              ),
            },
          ]}
        />
      ))}
      {always && !readOnly && (
        <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />} onClick={add}>
          {t("rep.addTable")}
        </Button>
      )}
    </Section>
  );
}
