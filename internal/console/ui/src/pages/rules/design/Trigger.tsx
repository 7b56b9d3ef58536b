// WHEN: what starts the rule, by pictures and words, with its parameters.
import { SwapOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useState } from "react";
import { useEditor, useWords } from "./editor";
import { Extract } from "./Extract";
import { Icon } from "./icons";
import { asObj, asText, pointer, set, type Obj } from "./json";
import { Params } from "./Params";
import { Problems } from "./problems";
import { useText } from "../texts";

/** What is set anew when a trigger is chosen, so that it works at once. */
function fresh(kind: string, target: string): Obj {
  if (kind === "record") return { type: kind, target, object: "" };
  if (kind === "deadline") return { type: kind, target, object: "", field: "" };
  if (kind === "absence") return { type: kind, within: "4 business hours" };
  if (kind === "schedule") return { type: kind, at: "每个工作日 09:00" };
  return { type: kind };
}

export function Trigger() {
  const t = useText();
  const words = useWords();
  const { rule, vocab, change, readOnly } = useEditor();
  const trigger = asObj(rule.trigger);
  const type = asText(trigger.type);
  const info = vocab.triggers.find((x) => x.type === type);
  const [choosing, setChoosing] = useState(false);
  const choose = (kind: string) => {
    setChoosing(false);
    if (kind === type) return;
    const target = (vocab.targets.find((x) => x.default) ?? vocab.targets[0])?.name ?? "";
    change((r) => set(r, ["trigger"], fresh(kind, target)));
  };
  return (
    <section className="rd-part" data-at="/trigger" aria-labelledby="rd-when">
      <header>
        <h2 id="rd-when">
          <span className="rd-word">{t("when")}</span>
          {t("whenHint")}
        </h2>
      </header>
      <div className="rd-card">
        {choosing || !info ? (
          <ul className="rd-kinds" aria-label={t("chooseTrigger")}>
            {vocab.triggers.map((k) => (
              <li key={k.type}>
                <button type="button" aria-pressed={k.type === type} onClick={() => choose(k.type)}>
                  <Icon of={k.type} trigger />
                  <span>
                    <strong>{t.any(`trigger.${k.type}`, words(k.label))}</strong>
                    <small>{t.any(`triggerHint.${k.type}`, "")}</small>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        ) : (
          <>
            <div className="rd-title">
              <span className="rd-icon" data-group="trigger">
                <Icon of={type} trigger />
              </span>
              <strong className="grow">{t.any(`trigger.${type}`, words(info.label))}</strong>
              {!readOnly && (
                <Button size="small" type="text" icon={<SwapOutlined aria-hidden />} onClick={() => setChoosing(true)}>
                  {t("changeTrigger")}
                </Button>
              )}
            </div>
            <Params params={info.parameters} at={["trigger"]} kind="trigger" />
            {(type === "mail" || type === "absence") && <Extract />}
          </>
        )}
        <Problems at={["trigger"]} deep={false} />
        <span hidden data-at={pointer(["trigger", "type"])} />
      </div>
    </section>
  );
}
