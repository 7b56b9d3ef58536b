import { Button } from "antd";
import { ConfirmAction, State, Time } from "@/kit";
import type { Take } from "./Conflicts";
import type { Conflict } from "./lists";
import { useText } from "./texts";

/** The conflicts of one field and one source. */
export function ConflictKind({
  items,
  current,
  busy,
  decide,
  reopen,
}: {
  items: Conflict[];
  current: number | undefined;
  busy: boolean;
  decide?: (of: Conflict[], take: Take) => Promise<void>;
  reopen?: (c: Conflict) => void;
}) {
  const t = useText();
  const { field, origin, target } = items[0]!;
  const fieldName = t.any(`field.${field}`, field);
  const originName = t.any(`origin.${origin}`, origin);
  const open = items.filter((c) => c.state === "open");
  const takeAll = (take: Take, from: string) => (
    <ConfirmAction title={t("takeAllTitle", { field: fieldName, n: open.length })} text={take === "crm" ? t("takeAllCrm") : t("takeAllOther", { origin: from })} button={{ size: "small" }} action={() => decide!(open, take)}>
      {t("takeAll", { from, n: open.length })}
    </ConfirmAction>
  );
  return (
    <section className="review-kind" aria-label={`${fieldName}, ${originName}`}>
      <header className="row">
        <h2 className="grow">
          {fieldName} <span className="muted small">{t("kindHint", { origin: originName, target })}</span>
        </h2>
        {decide && open.length > 1 && (
          <>
            {takeAll("crm", "CRM")}
            {takeAll("other", originName)}
          </>
        )}
      </header>
      <ul className="review-conflicts">
        {items.map((c) => {
          const here = c.id === current && open.length + items.length > 1;
          const side = (take: Take, from: string, value: string, at: string | undefined) => (
            <div className="review-value" data-taken={(c.state === take && true) || undefined}>
              <div className="small muted">
                {from} {at && <>· <Time at={at} /></>}
              </div>
              <div className="review-says">{value || t("nothing")}</div>
              {decide && c.state === "open" && (
                <Button size="small" disabled={busy} onClick={() => void decide([c], take)} aria-keyshortcuts={here ? (take === "crm" ? "1" : "2") : undefined}>
                  {t("take")}
                <span className="unseen">{t("takeOne", { value: value || t("nothing"), who: c.name ?? "" })}</span> {here && <kbd aria-hidden>{take === "crm" ? "1" : "2"}</kbd>}
                </Button>
              )}
            </div>
          );
          return (
            <li key={c.id} className="review-conflict" data-current={here || undefined} aria-current={here || undefined}>
              <strong className="review-who">{c.name || t("contactNoName")}</strong>
              {side("crm", "CRM", c.crm_value, c.crm_at)}
              {side("other", originName, c.value, c.at)}
              <div className="review-done">
                {c.state !== "open" && <State tone={c.state === "crm" || c.state === "other" ? "good" : "plain"}>{t.any(`conflict.${c.state}`, c.state)}</State>}
                {reopen && (c.state === "crm" || c.state === "other") && (
                  <Button size="small" type="link" onClick={() => reopen(c)}>
                    {t("undo")}
                  </Button>
                )}
              </div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
