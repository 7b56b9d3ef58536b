// Contacts that may be one person, both side by side.
import { Segmented } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { Empty, useFilters } from "@/kit";
import { Joy } from "./Joy";
import { useKeys } from "./keys";
import { itemsOf, useDuplicates, type Duplicate } from "./lists";
import { Merged } from "./Merged";
import { Pages } from "./Pages";
import { better, Pair } from "./Pair";
import { useText } from "./texts";
import { useUndo } from "./undo";

const keyOf = (d: Duplicate) => `${d.target} ${d.a.id} ${d.b.id}`;

export function Merges() {
  const t = useText();
  const [{ merges }, set] = useFilters({ merges: "proposed" });
  return (
    <section className="panel" aria-label={t("merges")}>
      <div className="review-bar">
        <Segmented
          value={merges}
          aria-label={t("which")}
          onChange={(v) => set({ merges: v })}
          options={["proposed", "dismissed", "merged"].map((v) => ({ value: v, label: t(`merges.${v as "merged"}`) }))}
        />
      </div>
      {merges === "merged" ? <Merged /> : <Proposed key={merges} dismissed={merges === "dismissed"} />}
    </section>
  );
}

function Proposed({ dismissed }: { dismissed: boolean }) {
  const t = useText();
  const client = useQueryClient();
  const may = useMay()("contacts.write");
  const query = useDuplicates(dismissed ? "dismissed" : "proposed");
  const items = itemsOf(query);
  const [at, setAt] = useState("");
  const [survivors, setSurvivors] = useState<Record<string, "a" | "b">>({});
  const [busy, setBusy] = useState("");
  const { did, undo, failed } = useUndo();
  const current = items.find((d) => keyOf(d) === at) ?? items[0];
  const survivor = (d: Duplicate) => survivors[keyOf(d)] ?? better(d);
  const again = () => Promise.all([["duplicates"], ["merges"]].map((queryKey) => client.invalidateQueries({ queryKey })));

  const run = async (d: Duplicate, act: () => Promise<{ text: string; back?: () => Promise<unknown> }>) => {
    if (busy) return;
    setBusy(keyOf(d));
    const next = items[items.indexOf(d) + 1] ?? items[items.indexOf(d) - 1];
    try {
      const { text, back } = await act();
      if (next) setAt(keyOf(next));
      await again();
      did(text, back && (() => back().then(again)));
    } catch (e) {
      failed(e);
    } finally {
      setBusy("");
    }
  };
  const pairOf = (d: Duplicate) => ({ target: d.target, a: d.a.id, b: d.b.id });
  const merge = (d: Duplicate) =>
    run(d, async () => {
      const [stays, goes] = survivor(d) === "a" ? [d.a, d.b] : [d.b, d.a];
      const done = await ok(api.POST("/api/v1/duplicates/merge", { body: { target: d.target, survivor: stays.id, other: goes.id } }));
      return {
        text: t("didMerge", { who: stays.name || t("contactNoName") }),
        back: done.in_crm ? undefined : () => ok(api.POST("/api/v1/merges/{id}/undo", { params: { path: { id: done.id } } })),
      };
    });
  const dismiss = (d: Duplicate) =>
    run(d, async () => {
      await ok(api.POST("/api/v1/duplicates/dismiss", { body: pairOf(d) }));
      return { text: t("didDismiss"), back: () => ok(api.POST("/api/v1/duplicates/restore", { body: pairOf(d) })) };
    });
  const restore = (d: Duplicate) =>
    run(d, async () => {
      await ok(api.POST("/api/v1/duplicates/restore", { body: pairOf(d) }));
      return { text: t("didRestore"), back: () => ok(api.POST("/api/v1/duplicates/dismiss", { body: pairOf(d) })) };
    });
  const step = (by: number) => {
    const next = items[Math.max(0, Math.min(items.length - 1, items.indexOf(current!) + by))];
    if (next) setAt(keyOf(next));
  };
  const choose = (side: "a" | "b") => () => current && setSurvivors({ ...survivors, [keyOf(current)]: side });
  const acts = may && !dismissed;
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    u: undo,
    ...(acts && { "1": choose("a"), "2": choose("b"), m: () => current && void merge(current), n: () => current && void dismiss(current) }),
  });
  useEffect(() => {
    document.querySelector(".review-pair[data-current]")?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <Pages query={query} empty={dismissed ? <Empty title={t("noneDismissed")}>{t("noneDismissedHint")}</Empty> : <Joy title={t("noPairs")}>{t("noPairsHint")}</Joy>}>
      {(all) => (
        <ul className="review-pairs">
          {all.map((d) => (
            <Pair
              key={keyOf(d)}
              pair={d}
              current={all.length > 1 && d === current}
              survivor={survivor(d)}
              choose={acts ? (side) => (setAt(keyOf(d)), setSurvivors({ ...survivors, [keyOf(d)]: side })) : undefined}
              busy={busy === keyOf(d)}
              merge={acts ? () => void merge(d) : undefined}
              dismiss={acts ? () => void dismiss(d) : undefined}
              restore={may && dismissed ? () => void restore(d) : undefined}
            />
          ))}
        </ul>
      )}
    </Pages>
  );
}
