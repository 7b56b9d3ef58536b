// The steps that can be added, by groups, found by a word.
import { useRef, useState, type KeyboardEvent } from "react";
import { useEditor, useWords } from "./editor";
import { focusQuietly } from "./focus";
import { Icon } from "./icons";
import { asObj, asText } from "./json";
import { useText } from "../texts";

const groups = ["mail", "crm", "people", "flow", "data"] as const;

export function StepPalette({ onPick, onCancel }: { onPick: (kind: string) => void; onCancel: () => void }) {
  const t = useText();
  const words = useWords();
  const { vocab, rule } = useEditor();
  const [q, setQ] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const trigger = asText(asObj(rule.trigger).type);
  const mail = trigger === "mail" || trigger === "absence" || asText(asObj(rule.trigger).about) === "mail";
  const name = (kind: string, label: string) => t.any(`step.${kind}`, label);
  const found = vocab.steps.filter((s) => (mail || !s.needs_mail) && q.toLowerCase().split(/\s+/).every((w) => `${name(s.kind, words(s.label))} ${words(s.label)} ${s.kind} ${t.any(`stepHint.${s.kind}`, "")}`.toLowerCase().includes(w)));
  const onKey = (e: KeyboardEvent) => {
    if (e.nativeEvent.isComposing) return;
    const buttons = [...(box.current?.querySelectorAll<HTMLElement>("button") ?? [])];
    const i = buttons.indexOf(document.activeElement as HTMLElement);
    if (e.key === "ArrowDown" || e.key === "ArrowRight") buttons[Math.min(buttons.length - 1, i + (e.key === "ArrowDown" && i >= 0 ? 2 : 1))]?.focus();
    else if (e.key === "ArrowUp" || e.key === "ArrowLeft") (i <= 0 ? box.current?.querySelector("input") : buttons[Math.max(0, i - (e.key === "ArrowUp" ? 2 : 1))])?.focus();
    else if (e.key === "Escape") onCancel();
    else if (e.key === "Enter" && i < 0 && found[0]) onPick(first(found.map((s) => s.kind)));
    else return;
    if ((e.key === "ArrowLeft" || e.key === "ArrowRight") && i < 0) return;
    e.preventDefault();
    e.stopPropagation();
  };
  const first = (kinds: string[]) => vocab.steps.filter((s) => kinds.includes(s.kind)).sort((a, b) => groups.indexOf(a.group) - groups.indexOf(b.group))[0]!.kind;
  return (
    // The keys move through the buttons, which stay buttons.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div className="rd-palette" ref={box} onKeyDown={onKey}>
      <input ref={focusQuietly} aria-label={t("findStep")} placeholder={t("findStep")} value={q} onChange={(e) => setQ(e.target.value)} />
      <div className="rd-palette-list">
        {groups.map((g) => {
          const list = found.filter((s) => s.group === g);
          return list.length ? (
            <section key={g} aria-label={t(`group.${g}`)}>
              <h3>{t(`group.${g}`)}</h3>
              <div>
                {list.map((s) => (
                  <button type="button" key={s.kind} onClick={() => onPick(s.kind)}>
                    <span className="rd-icon" data-group={g}>
                      <Icon of={s.kind} />
                    </span>
                    <span>
                      <strong>{name(s.kind, words(s.label))}</strong>
                      <small>{t.any(`stepHint.${s.kind}`, "")}</small>
                    </span>
                  </button>
                ))}
              </div>
            </section>
          ) : null;
        })}
        {!found.length && <p className="muted">{t("noStep")}</p>}
      </div>
    </div>
  );
}
