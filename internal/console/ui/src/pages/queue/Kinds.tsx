import { Link } from "react-router";
import { number, Time } from "@/kit";
import type { lines } from "./jobs";
import { states } from "./jobs";
import { useText } from "./texts";

/** How many jobs of each sort are in each state; each number leads to its list. */
export function Kinds({ lines: list }: { lines: ReturnType<typeof lines> }) {
  const t = useText();
  const shown = states.filter((s) => s !== "unfinished");
  return (
    <section className="panel listing" style={{ marginTop: 8 }}>
      <div className="scroll">
        <table aria-label={t("byKind")}>
          <thead>
            <tr>
              <th scope="col">{t("what")}</th>
              {shown.map((s) => (
                <th key={s} scope="col" data-align="right">
                  {t(`state.${s}`)}
                </th>
              ))}
              <th scope="col" data-align="right">
                {t("blockedOf")}
              </th>
              <th scope="col">{t("oldest")}</th>
            </tr>
          </thead>
          <tbody>
            {list.map((l) => (
              <tr key={l.what + (l.target ?? "")}>
                <th scope="row" style={{ color: "inherit", fontWeight: 400 }}>
                  {t(`what.${l.what}`)} {l.target && <span className="muted">{t("to", { target: l.target })}</span>}
                </th>
                {shown.map((s) => (
                  <td key={s} data-align="right">
                    {l.counts[s] ? <Link to={`?${new URLSearchParams({ state: s, what: l.what, ...(l.target && { target: l.target }) })}`}>{number(l.counts[s], t.lang)}</Link> : <span className="muted">0</span>}
                  </td>
                ))}
                <td data-align="right">{number(l.blocked, t.lang)}</td>
                <td>
                  <Time at={l.oldest} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
