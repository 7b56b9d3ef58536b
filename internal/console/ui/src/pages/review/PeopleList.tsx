import { Checkbox } from "antd";
import { Time } from "@/kit";
import type { Review } from "./lists";
import { useText } from "./texts";

/** The people, one line each. The list of them all is reached by j and k, or by Tab. */
export function PeopleList({
  items,
  current,
  picked,
  pick,
  open,
}: {
  items: Review[];
  current: string | undefined;
  picked: ReadonlySet<string>;
  pick?: (next: ReadonlySet<string>) => void;
  open: (subject: string) => void;
}) {
  const t = useText();
  const all = items.every((r) => picked.has(r.subject));
  const toggle = (s: string) => {
    const next = new Set(picked);
    if (!next.delete(s)) next.add(s);
    pick?.(next);
  };
  return (
    <>
      {pick && items.length > 1 && (
        <div className="review-all">
          <Checkbox checked={all} indeterminate={!all && picked.size > 0} onChange={() => pick(all ? new Set() : new Set(items.map((r) => r.subject)))}>
            {t("pickAll")}
          </Checkbox>
        </div>
      )}
      <ul className="review-list">
        {items.map((r) => (
          <li key={r.subject} data-picked={picked.has(r.subject) || undefined} data-current={r.subject === current || undefined}>
            {pick && <Checkbox checked={picked.has(r.subject)} onChange={() => toggle(r.subject)} aria-label={t("pick", { who: r.name || r.subject })} />}
            <button type="button" aria-current={r.subject === current} onClick={() => open(r.subject)}>
              <span className="row" style={{ flexWrap: "nowrap" }}>
                <strong className="cut grow">{r.name || r.subject}</strong>
                <span className="muted small">
                  <Time at={r.last_seen_at} plain />
                </span>
              </span>
              <span className="row small muted" style={{ flexWrap: "nowrap" }}>
                <span className="cut grow">{r.subject.startsWith("@") ? t("wholeDomain") : r.subject}</span>
                <span className="nowrap">{r.state === "decided" ? t.any(`decision.${r.decision ?? "none"}`, r.decision) : t("waiting", { n: r.waiting })}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
