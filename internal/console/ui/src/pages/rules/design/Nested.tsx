// The rows inside a step: cases one below the other, parallel ones side by side, what is done for each element.
import { CloseOutlined, PlusOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { Condition } from "./Condition";
import { useEditor, usePlace } from "./editor";
import { asList, asObj, insert, pointer, set, type Path } from "./json";
import { Problems } from "./problems";
import { Steps } from "./Steps";
import { useText } from "../texts";

export function Nested({ at, kind }: { at: Path; kind: string }) {
  const w = [...at, "with"];
  if (kind === "branch") return <Cases at={w} />;
  if (kind === "parallel") return <Branches at={w} />;
  if (kind === "for_each") return <Each at={w} />;
  return null;
}

function Cases({ at }: { at: Path }) {
  const t = useText();
  const { change, readOnly } = useEditor();
  const [value] = usePlace(at);
  const cases = asList(asObj(value).cases);
  return (
    <div className="rd-ways">
      {cases.map((_, i) => (
        <div className="rd-way" key={i} data-at={pointer([...at, "cases", i])} role="group" aria-label={t("caseN", { n: i + 1 })}>
          <div className="row">
            <span className="rd-word">{t(i === 0 ? "if" : "elseIf")}</span>
            <span className="grow" />
            {!readOnly && cases.length > 1 && <Button type="text" size="small" icon={<CloseOutlined aria-hidden />} aria-label={t("removeCase", { n: i + 1 })} onClick={() => change((r) => set(r, [...at, "cases", i], undefined))} />}
          </div>
          <Condition at={[...at, "cases", i, "when"]} label={t("caseN", { n: i + 1 })} />
          <Steps at={[...at, "cases", i, "steps"]} empty={t("addStepCase")} />
          <Problems at={[...at, "cases", i]} deep={false} />
        </div>
      ))}
      {!readOnly && (
        <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />} onClick={() => change((r) => insert(r, [...at, "cases", cases.length], { steps: [] }))}>
          {t("addCase")}
        </Button>
      )}
      <div className="rd-way" data-kind="else" data-at={pointer([...at, "else"])} role="group" aria-label={t("else")}>
        <div className="row">
          <span className="rd-word">{t("else")}</span>
        </div>
        <Steps at={[...at, "else"]} empty={t("addStepElse")} />
      </div>
    </div>
  );
}

function Branches({ at }: { at: Path }) {
  const t = useText();
  const { change, readOnly } = useEditor();
  const [value] = usePlace(at);
  const branches = asList(asObj(value).branches);
  return (
    <div className="rd-parallel">
      <div className="rd-columns" data-count={branches.length}>
        {branches.map((_, i) => (
          <div className="rd-way" key={i} data-at={pointer([...at, "branches", i])} role="group" aria-label={t("wayN", { n: i + 1 })}>
            <div className="row">
              <span className="rd-word">{t("wayN", { n: i + 1 })}</span>
              <span className="grow" />
              {!readOnly && branches.length > 2 && <Button type="text" size="small" icon={<CloseOutlined aria-hidden />} aria-label={t("removeWay", { n: i + 1 })} onClick={() => change((r) => set(r, [...at, "branches", i], undefined))} />}
            </div>
            <Steps at={[...at, "branches", i]} empty={t("addStepWay")} />
          </div>
        ))}
      </div>
      {!readOnly && (
        <Button size="small" type="dashed" icon={<PlusOutlined aria-hidden />} onClick={() => change((r) => insert(r, [...at, "branches", branches.length], []))}>
          {t("addWay")}
        </Button>
      )}
    </div>
  );
}

function Each({ at }: { at: Path }) {
  const t = useText();
  return (
    <div className="rd-way" role="group" aria-label={t("forEach")}>
      <div className="row">
        <span className="rd-word">{t("forEach")}</span>
      </div>
      <Steps at={[...at, "steps"]} empty={t("addStepEach")} />
    </div>
  );
}
