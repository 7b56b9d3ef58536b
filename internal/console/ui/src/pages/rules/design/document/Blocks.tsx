// What is in a document, part by part.
import { PlusOutlined } from "@ant-design/icons";
import { Button, Dropdown } from "antd";
import { useEditor, usePlace } from "../editor";
import { asList, asObj, asText, type Path } from "../json";
import { useText } from "../../texts";
import { Cards } from "../table/Cards";
import type { Tables } from "../table/useColumns";
import { Block } from "./Block";
import { blockKinds, freshBlock, kindOfBlock } from "./blocks";
import { FromField } from "./FromField";

export function Blocks({ at, w, tables }: { at: Path; w: Path; tables: Tables }) {
  const t = useText();
  const { rule, readOnly } = useEditor();
  const [value, write] = usePlace(at);
  const list = asList(value);
  const mail = asText(asObj(rule.trigger).type) === "mail" || asText(asObj(rule.trigger).type) === "absence";
  return (
    <FromField at={at} label={t("doc.blocks")}>
      <Cards at={at} titles={list.map((b) => t.any(`doc.block.${kindOfBlock(b) ?? "other"}`, ""))} label={t("doc.blocks")}>
        {(i) => <Block key={kindOfBlock(list[i])} at={[...at, i]} w={w} tables={tables} mail={mail} />}
      </Cards>
      {!readOnly && (
        <Dropdown trigger={["click"]} menu={{ items: blockKinds.map((k) => ({ key: k, label: t(`doc.block.${k}`), onClick: () => write([...list, freshBlock(k, mail)]) })) }}>
          <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />}>
            {t("doc.addBlock")}
          </Button>
        </Dropdown>
      )}
    </FromField>
  );
}
