// What is done with the lines of a table, one after the other: summed up, set against a budget, sorted …
import { PlusOutlined } from "@ant-design/icons";
import { Button, Dropdown } from "antd";
import { useEditor, usePlace } from "../editor";
import { asList, asObj, get, type Path } from "../json";
import { useText } from "../../texts";
import { Cards } from "./Cards";
import { freshOperation, operationOf, operations } from "./columns";
import { OperationForm } from "./OperationForm";
import type { Tables } from "./useColumns";

/** source: whose lines; w: the parameters of the step, where its other tables stand. */
export function Operations({ source, w, tables }: { source: Path; w: Path; tables: Tables }) {
  const t = useText();
  const { rule, readOnly } = useEditor();
  const at = [...source, "spec", "do"];
  const [value, write] = usePlace(at);
  const list = asList(value);
  const cols = (n: number) => tables.columns(asObj(get(rule, source)), n);
  const title = (i: number) => t.any(`rep.op.${operationOf(list[i]) ?? "other"}`, "");
  return (
    <>
      <Cards at={at} titles={list.map((_, i) => title(i))} label={t("rep.operations")}>
        {(i) => <OperationForm key={operationOf(list[i])} at={[...at, i]} w={w} cols={cols(i)} tables={tables} />}
      </Cards>
      {!list.length && <p className="rd-hint">{t("rep.operationsNone")}</p>}
      {!readOnly && (
        <Dropdown
          trigger={["click"]}
          menu={{ items: operations.map((o) => ({ key: o, label: <span className="rd-choice"><strong>{t(`rep.op.${o}`)}</strong><span className="muted small">{t(`rep.opHint.${o}`)}</span></span>, onClick: () => write([...list, freshOperation(o, cols(list.length))]) })) }}
        >
          <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />}>
            {t("rep.addOperation")}
          </Button>
        </Dropdown>
      )}
    </>
  );
}
