// Why a condition held, or did not: each part with what it found, in plain words.
import { CheckCircleFilled, CloseCircleFilled, MinusCircleOutlined, QuestionCircleFilled } from "@ant-design/icons";
import type { Schemas } from "@/api/client";
import { useText, type Text } from "./texts";
import "./flow.css";

type Explanation = Schemas["automation"]["Explanation"];

const icons = { true: CheckCircleFilled, false: CloseCircleFilled, unknown: QuestionCircleFilled };

export function WhyTree({ explanation }: { explanation: Explanation }) {
  return (
    <ul className="why-tree">
      <Part part={explanation} />
    </ul>
  );
}

function Part({ part }: { part: Explanation }) {
  const t = useText();
  const Icon = part.skipped ? MinusCircleOutlined : icons[part.result];
  // The sentence ends with the result and the value, which stand apart here.
  const said = (t.lang === "zh" ? part.zh : part.en).replace(/ → (是|否|无法判断|未知|yes|no|unknown)( ?[（(].*[)）])?$/su, "");
  return (
    <li>
      <div className="why" data-result={part.skipped ? "skipped" : part.result}>
        <Icon role="img" aria-label={part.skipped ? t("why.skipped") : t(`why.${part.result}`)} />
        <div style={{ minWidth: 0, overflowWrap: "anywhere" }}>
          {said}
          {part.item !== undefined && part.item > 0 && <span className="muted small"> {t("why.item", { n: part.item })} {part.item_shown}</span>}
          {!part.skipped && part.fact && (
            <div className="small">
              <span className="muted">{t("why.seen")}</span> <span className="seen">{value(part.fact, t)}</span>
            </div>
          )}
          {!part.skipped && !part.fact && !part.children?.length && part.result === "unknown" && <div className="small muted">{t("why.cannotTell")}</div>}
        </div>
      </div>
      {Boolean(part.children?.length) && (
        <ul>
          {part.children!.map((c, i) => (
            <Part key={i} part={c} />
          ))}
          {Boolean(part.omitted) && <li className="muted small">{t("why.omitted", { n: part.omitted! })}</li>}
        </ul>
      )}
    </li>
  );
}

/** A value as people write it: the gateway quotes texts. */
function value(fact: string, t: Text) {
  if (fact === "true") return t("yes");
  if (fact === "false") return t("no");
  const quoted = /^"(.*)"$/s.exec(fact);
  return quoted ? quoted[1]!.replaceAll('\\"', '"').replaceAll("\\n", " ") : fact;
}
