// The form of a report: whose lines, what is made of them, a chart, and as what it is given out.
import { Switch } from "antd";
import { useEditor, usePlace, type Parameter } from "../editor";
import { asObj, get, type Path } from "../json";
import { Param } from "../Params";
import { Problems } from "../problems";
import { useText } from "../../texts";
import { Chart, freshChart, Language } from "./Chart";
import { Field } from "./Cards";
import { OtherTables } from "./OtherTables";
import { Section } from "./Section";
import { Source } from "./Source";
import { useColumns } from "./useColumns";

export function ReportStep({ at, params }: { at: Path; params: Parameter[] }) {
  const t = useText();
  const { rule, readOnly } = useEditor();
  const w = [...at, "with"];
  const tables = useColumns(w);
  const step = asObj(get(rule, w));
  const cols = tables.columns(step);
  // A chart may stand in the specification, too: it is changed where it is.
  const chartAt = step.chart === undefined && asObj(step.spec).chart !== undefined ? [...w, "spec", "chart"] : [...w, "chart"];
  const titleAt = step.title === undefined && asObj(step.spec).title !== undefined ? [...w, "spec", "title"] : [...w, "title"];
  const [chart, writeChart] = usePlace(chartAt);
  const param = (name: string, to: Path = [...w, name]) => {
    const p = params.find((x) => x.name === name);
    return p && <Param param={p} at={to} of={w} kind="report" />;
  };
  return (
    <div className="rd-params">
      {param("title", titleAt)}
      <Source at={w} w={w} tables={tables} />
      <OtherTables w={w} tables={tables} />
      <Section title={t("rep.chart")}>
        <label className="row rd-switch">
          <Switch size="small" disabled={readOnly} checked={chart !== undefined} aria-label={t("rep.withChart")} onChange={(on) => writeChart(on ? freshChart(cols) : undefined)} /> {t("rep.withChart")}
        </label>
        {chart !== undefined && <Chart at={chartAt} cols={cols} />}
        <Problems at={chartAt} />
      </Section>
      <Section title={t("rep.out")}>
        {param("outputs")}
        <div className="rd-grid">
          <div className="rd-field">{param("file_name")}</div>
          <div className="rd-field">{param("orientation")}</div>
          <Field label={t("rep.language")}>
            <Language at={[...w, "spec", "language"]} />
          </Field>
        </div>
      </Section>
      <Problems at={[...w, "spec"]} deep={false} />
    </div>
  );
}
