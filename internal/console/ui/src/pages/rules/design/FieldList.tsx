// What is known, to choose from: searchable, grouped, by mouse and by keyboard.
import { useId, useMemo, useRef, useState, type KeyboardEvent } from "react";
import type { FactType } from "./editor";
import type { Known } from "./facts";
import { focusQuietly } from "./focus";
import { useText } from "../texts";

const signs: Record<FactType, string> = { open: "◇", text: "Aa", number: "#", money: "¥", time: "◷", bool: "✓", address: "@", object: "{}", list: "≡" };
export const Sign = ({ type }: { type: FactType }) => (
  <span className="rd-sign" aria-hidden>
    {signs[type]}
  </span>
);

const otherPath = /^[\p{L}_][\p{L}\p{Nd}_]*(\.[\p{L}_][\p{L}\p{Nd}_-]*)+$/u;

export function FieldList({ known, onPick, onCancel }: { known: Known[]; onPick: (path: string, k?: Known) => void; onCancel: () => void }) {
  const t = useText();
  const id = useId();
  const [q, setQ] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const found = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return known.filter((k) => words.every((w) => `${k.groupLabel} ${k.label} ${k.path}`.toLowerCase().includes(w)));
  }, [known, q]);
  const groups = useMemo(() => {
    const out = new Map<string, { label: string; items: { k: Known; i: number }[] }>();
    found.forEach((k, i) => {
      const g = out.get(k.group) ?? { label: k.groupLabel, items: [] };
      g.items.push({ k, i });
      out.set(k.group, g);
    });
    // Groups stand together, so that the arrow keys go as the eye does.
    let n = 0;
    for (const g of out.values()) for (const item of g.items) item.i = n++;
    return out;
  }, [found]);
  const flat = useMemo(() => [...groups.values()].flatMap((g) => g.items.map((x) => x.k)), [groups]);
  const other = otherPath.test(q.trim()) && !flat.some((k) => k.path === q.trim()) ? q.trim() : undefined;
  const count = flat.length + (other ? 1 : 0);
  const current = Math.min(at, Math.max(0, count - 1));

  const pick = (i: number) => {
    const k = flat[i];
    if (k) onPick(k.path, k);
    else if (other) onPick(other);
  };
  const key = (e: KeyboardEvent) => {
    if (e.nativeEvent.isComposing) return;
    const next = { ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + 8, PageUp: current - 8 }[e.key];
    if (next !== undefined) {
      const to = Math.max(0, Math.min(count - 1, next));
      setAt(to);
      list.current?.querySelector(`[data-i="${to}"]`)?.scrollIntoView({ block: "nearest" });
    } else if (e.key === "Enter") pick(current);
    else if (e.key === "Escape" || e.key === "Tab") onCancel();
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  return (
    <div className="rd-fields">
      <input
        ref={focusQuietly}
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-activedescendant={count ? `${id}-${current}` : undefined}
        aria-label={t("findField")}
        placeholder={t("findField")}
        value={q}
        onChange={(e) => {
          setQ(e.target.value);
          setAt(0);
        }}
        onKeyDown={key}
      />
      <div role="listbox" id={id} ref={list} aria-label={t("fieldsKnown")}>
        {[...groups.entries()].map(([name, g]) => (
          <div role="group" key={name} aria-label={g.label}>
            <span>{g.label}</span>
            {g.items.map(({ k, i }) => (
              // The input has the keys: options are pointed at only.
              // eslint-disable-next-line jsx-a11y/click-events-have-key-events
              <div role="option" id={`${id}-${i}`} data-i={i} key={k.path} aria-selected={i === current} tabIndex={-1} onMouseMove={() => setAt(i)} onMouseDown={(e) => e.preventDefault()} onClick={() => pick(i)}>
                <Sign type={k.type} />
                <span className="cut">{k.label}</span>
              </div>
            ))}
          </div>
        ))}
        {other && (
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <div role="option" id={`${id}-${flat.length}`} data-i={flat.length} aria-selected={current === flat.length} tabIndex={-1} onMouseDown={(e) => e.preventDefault()} onClick={() => pick(flat.length)}>
            <Sign type="open" />
            <span className="cut">{t("useOther", { path: other })}</span>
          </div>
        )}
      </div>
      {!count && <p className="muted small">{t("noField")}</p>}
    </div>
  );
}
