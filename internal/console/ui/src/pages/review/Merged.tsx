import { useQueryClient } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { ConfirmAction, Empty, State, Time } from "@/kit";
import { useMerges, type Merge } from "./lists";
import { Pages } from "./Pages";
import { useText } from "./texts";

/** What was merged, with the way back. */
export function Merged() {
  const t = useText();
  const client = useQueryClient();
  const may = useMay()("contacts.write");
  const undo = async (m: Merge) => {
    await ok(api.POST("/api/v1/merges/{id}/undo", { params: { path: { id: m.id } } }));
    await Promise.all([["merges"], ["duplicates"]].map((queryKey) => client.invalidateQueries({ queryKey })));
  };
  return (
    <Pages query={useMerges()} empty={<Empty title={t("noneMerged")}>{t("noneMergedHint")}</Empty>}>
      {(all) => (
        <ul className="plain-list">
          {all.map((m) => {
            const [stays, goes] = m.before;
            const name = (c: typeof stays) => c?.name || c?.addresses?.[0] || t("contactNoName");
            return (
              <li key={m.id} style={{ flexWrap: "wrap" }}>
                <div className="grow">
                  <div>{t.rich("mergedLine", { other: <strong key="o">{name(goes)}</strong>, survivor: <strong key="s">{name(stays)}</strong> })}</div>
                  <div className="small muted">
                    {m.target} · {m.automatic ? t("byItself") : t("byHand")} · <Time at={m.at} />
                  </div>
                </div>
                {m.undone_at ? (
                  <State>{t("mergeUndone")}</State>
                ) : m.in_crm ? (
                  <span className="small muted">{t("mergedInCrm")}</span>
                ) : (
                  may && (
                    <ConfirmAction title={t("undoMerge")} text={t("undoMergeHint")} button={{ size: "small" }} action={() => undo(m)}>
                      {t("undo")}
                    </ConfirmAction>
                  )
                )}
              </li>
            );
          })}
        </ul>
      )}
    </Pages>
  );
}
