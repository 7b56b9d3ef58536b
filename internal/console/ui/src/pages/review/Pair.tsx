import { Button, Radio } from "antd";
import { useId, type ReactNode } from "react";
import { State, Time } from "@/kit";
import type { Schemas } from "@/api/client";
import type { Duplicate } from "./lists";
import { useText } from "./texts";

type Contact = Schemas["operations"]["ContactRecord"];

const filled = (c: Contact) => [c.name, c.title, c.company, c.owner, ...(c.addresses ?? []), ...(c.phones ?? [])].filter(Boolean).length;

/** Which of both should stay when nobody chose: the one that says more, then the one changed last. */
export const better = (d: Duplicate): "a" | "b" =>
  filled(d.b) > filled(d.a) || (filled(d.b) === filled(d.a) && (d.b.changed_at ?? "") > (d.a.changed_at ?? "")) ? "b" : "a";

/** Two contacts side by side; what differs is marked. */
export function Pair({
  pair: d,
  current,
  survivor,
  choose,
  busy,
  merge,
  dismiss,
  restore,
}: {
  pair: Duplicate;
  current: boolean;
  survivor: "a" | "b";
  choose?: (side: "a" | "b") => void;
  busy: boolean;
  merge?: () => void;
  dismiss?: () => void;
  restore?: () => void;
}) {
  const t = useText();
  const id = useId();
  const list = (items?: string[]) => (items?.length ? [...items].sort().join("\n") : undefined);
  const rows: [string, string | undefined, string | undefined, ReactNode?, ReactNode?][] = [
    [t("field.name"), d.a.name, d.b.name],
    [t("field.title"), d.a.title, d.b.title],
    [t("field.company"), d.a.company, d.b.company],
    [t("field.address"), list(d.a.addresses), list(d.b.addresses)],
    [t("field.phone"), list(d.a.phones), list(d.b.phones)],
    [t("field.owner"), d.a.owner, d.b.owner],
    [t("changedAt"), d.a.changed_at, d.b.changed_at, <Time key="a" at={d.a.changed_at} />, <Time key="b" at={d.b.changed_at} />],
  ];
  const shown = rows.filter(([, a, b]) => a || b);
  const reasons = d.reason.split(", ").map((r) => t.any(`reason.${r.replaceAll(" ", "_")}`, r));
  const side = (s: "a" | "b") => (
    <th scope="col" data-stays={survivor === s || undefined}>
      {choose ? (
        <Radio name={id} checked={survivor === s} onChange={() => choose(s)}>
          {t("keeps")} {current && <kbd aria-hidden>{s === "a" ? "1" : "2"}</kbd>}
        </Radio>
      ) : (
        (d[s].name ?? t("contactNoName"))
      )}
    </th>
  );
  return (
    <li className="review-pair" data-current={current || undefined} aria-current={current || undefined}>
      <div className="row">
        <State tone={d.score >= 90 ? "good" : "info"}>{t("likely", { percent: d.score })}</State>
        <span className="grow muted small">
          {reasons.join(t.lang === "zh" ? "、" : ", ")} · {d.target}
        </span>
      </div>
      <div className="review-scroll">
        <table className="review-table">
          <thead>
            <tr>
              <td />
              {side("a")}
              {side("b")}
            </tr>
          </thead>
          <tbody>
            {shown.map(([name, a, b, showA, showB]) => (
              <tr key={name} data-differs={(!showA && a !== b) || undefined}>
                <th scope="row">
                  {name}
                  {!showA && a !== b && <span className="unseen">{t("differs")}</span>}
                </th>
                <td>{showA ?? a ?? <span className="muted">–</span>}</td>
                <td>{showB ?? b ?? <span className="muted">–</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="row">
        {merge && (
          <Button type="primary" loading={busy} onClick={merge} aria-keyshortcuts={current ? "m" : undefined}>
            {t("merge")} {current && <kbd aria-hidden>M</kbd>}
          </Button>
        )}
        {dismiss && (
          <Button disabled={busy} onClick={dismiss} aria-keyshortcuts={current ? "n" : undefined}>
            {t("notSame")} {current && <kbd aria-hidden>N</kbd>}
          </Button>
        )}
        {restore && (
          <Button loading={busy} onClick={restore}>
            {t("proposeAgain")}
          </Button>
        )}
      </div>
    </li>
  );
}
