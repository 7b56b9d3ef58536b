// The form of a document: its title, facts, parts such as texts, pictures and a process, and as what it is given out.
import { useEditor, usePlace, type Parameter } from "../editor";
import { asObj, get, type Path } from "../json";
import { Param } from "../Params";
import { Problems } from "../problems";
import { useText } from "../../texts";
import { OtherTables } from "../table/OtherTables";
import { Section } from "../table/Section";
import { useColumns } from "../table/useColumns";
import { Blocks } from "./Blocks";
import { Facts } from "./Facts";

export function DocumentStep({ at, params }: { at: Path; params: Parameter[] }) {
  const t = useText();
  const { rule } = useEditor();
  const w = [...at, "with"];
  const tables = useColumns(w);
  const [blocks] = usePlace([...w, "blocks"]);
  const shows = Array.isArray(blocks) && blocks.some((b) => asObj(b).table !== undefined || asObj(b).chart !== undefined);
  const own = Object.keys(asObj(asObj(get(rule, w)).tables)).length > 0;
  const param = (name: string) => {
    const p = params.find((x) => x.name === name);
    return p && <Param param={p} at={[...w, name]} of={w} kind="document" />;
  };
  return (
    <div className="rd-params">
      {param("title")}
      {param("subtitle")}
      <Section title={t("doc.facts")} hint={t("doc.factsHint")}>
        <Facts at={[...w, "facts"]} />
        <Problems at={[...w, "facts"]} />
      </Section>
      <Section title={t("doc.blocks")}>
        <Blocks at={[...w, "blocks"]} w={w} tables={tables} />
        <Problems at={[...w, "blocks"]} deep={false} />
      </Section>
      {(shows || own) && <OtherTables w={w} tables={tables} always />}
      <Section title={t("rep.out")}>
        {param("outputs")}
        <div className="rd-grid">
          <div className="rd-field">{param("file_name")}</div>
          <div className="rd-field">{param("orientation")}</div>
          <div className="rd-field">{param("language")}</div>
        </div>
      </Section>
    </div>
  );
}
