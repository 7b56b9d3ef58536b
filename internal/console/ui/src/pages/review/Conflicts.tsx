// Fields of which the CRM and another source say different things, by field and source.
import { Segmented } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { Empty, useFilters } from "@/kit";
import { ConflictKind } from "./ConflictKind";
import { Joy } from "./Joy";
import { useKeys } from "./keys";
import { itemsOf, useConflicts, type Conflict } from "./lists";
import { Pages } from "./Pages";
import { useText } from "./texts";
import { useUndo } from "./undo";

export type Take = "crm" | "other";

export function Conflicts() {
  const t = useText();
  const client = useQueryClient();
  const may = useMay()("contacts.write");
  const [{ conflicts }, set] = useFilters({ conflicts: "open" });
  const query = useConflicts(conflicts === "all" ? "all" : "open");
  const kinds = byKind(itemsOf(query));
  const items = kinds.flatMap((k) => k.items);
  const open = items.filter((c) => c.state === "open");
  const [at, setAt] = useState<number>();
  const [busy, setBusy] = useState(false);
  const { did, undo, failed } = useUndo();
  const current = open.find((c) => c.id === at) ?? open[0];
  const again = () => client.invalidateQueries({ queryKey: ["conflicts"] });

  const back = (ids: number[]) => async () => {
    for (const id of ids) await ok(api.POST("/api/v1/conflicts/{id}/undo", { params: { path: { id } } }));
    await again();
  };
  const decide = async (of: Conflict[], take: Take) => {
    if (busy || !of.length) return;
    setBusy(true);
    try {
      const from = open.indexOf(of[0]!);
      const next = open.slice(from).find((c) => !of.includes(c));
      const done = await ok(api.POST("/api/v1/conflicts/decide", { body: { decisions: of.map((c) => ({ id: c.id, take })) } }));
      setAt(next?.id);
      await again();
      const failedIds = new Set(done.failed.map((f) => f.id));
      const text = take === "crm" ? t("didCrm", { n: done.decided }) : t("didOther", { n: done.decided });
      did(done.failed.length ? text + t("someFailed", { n: done.failed.length }) : text, back(of.map((c) => c.id).filter((id) => !failedIds.has(id))));
    } catch (e) {
      failed(e);
    } finally {
      setBusy(false);
    }
  };
  const reopen = (c: Conflict) => back([c.id])().catch(failed);
  const step = (by: number) => {
    const next = open[Math.max(0, Math.min(open.length - 1, open.indexOf(current!) + by))];
    if (next) setAt(next.id);
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    u: undo,
    ...(may && { "1": () => current && void decide([current], "crm"), "2": () => current && void decide([current], "other") }),
  });
  useEffect(() => {
    document.querySelector(".review-conflict[data-current]")?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <section className="panel" aria-label={t("conflicts")}>
      <div className="review-bar">
        <Segmented
          value={conflicts}
          aria-label={t("which")}
          onChange={(v) => set({ conflicts: v })}
          options={[
            { value: "open", label: t("state.open") },
            { value: "all", label: t("conflicts.all") },
          ]}
        />
      </div>
      <Pages query={query} empty={conflicts === "all" ? <Empty title={t("noConflictEver")}>{t("noConflictsHint")}</Empty> : <Joy title={t("noConflicts")}>{t("noConflictsHint")}</Joy>}>
        {() => kinds.map((k) => <ConflictKind key={k.key} items={k.items} current={current?.id} busy={busy} decide={may ? decide : undefined} reopen={may ? (c) => void reopen(c) : undefined} />)}
      </Pages>
    </section>
  );
}

/** Conflicts of one field and one source belong together: they are often decided alike. */
function byKind(items: Conflict[]): { key: string; items: Conflict[] }[] {
  const kinds = new Map<string, Conflict[]>();
  for (const c of items) {
    const key = `${c.field} ${c.origin} ${c.target}`;
    kinds.set(key, [...(kinds.get(key) ?? []), c]);
  }
  return [...kinds].map(([key, list]) => ({ key, items: list }));
}
