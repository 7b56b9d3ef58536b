// Why a condition held or did not, as a tree in plain words; a sign and a word beside each colour.
import { CheckCircleFilled, CloseCircleFilled, MinusCircleOutlined, QuestionCircleFilled } from "@ant-design/icons";
import type { Schemas } from "@/api/client";
import { useText } from "../texts";

type Explained = Schemas["automation"]["Explanation"];

export function Explanation({ of }: { of: Explained }) {
  return (
    <ul className="rd-why">
      <Part of={of} />
    </ul>
  );
}

function Part({ of: e }: { of: Explained }) {
  const t = useText();
  const result = e.skipped ? "skipped" : e.result;
  const Sign = { true: CheckCircleFilled, false: CloseCircleFilled, unknown: QuestionCircleFilled, skipped: MinusCircleOutlined }[result];
  return (
    <li>
      <div data-result={result}>
        <Sign aria-label={t(`result.${result}`)} title={t(`result.${result}`)} />
        <span>
          {e.item !== undefined && <span className="muted">{t("itemN", { n: e.item })} </span>}
          {e[t.lang]}
        </span>
      </div>
      {Boolean(e.children?.length) && (
        <ul>
          {e.children!.map((c, i) => (
            <Part key={c.at + i} of={c} />
          ))}
          {Boolean(e.omitted) && <li className="muted">{t("omitted", { n: e.omitted! })}</li>}
        </ul>
      )}
    </li>
  );
}
