// The fields of all types of records that the rule names, asked of their systems.
import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, ok } from "@/api/client";
import type { FieldInfo, Vocabulary } from "./editor";
import { numbered } from "./facts";
import { asObj, asText, type Obj } from "./json";

export function useFieldsOf(rule: Obj, vocab: Vocabulary) {
  const steps = numbered(rule).map((s) => asObj(s.step.with));
  const wanted = [asObj(rule.trigger), ...steps, ...steps.flatMap((w) => Object.values(asObj(w.tables)).map(asObj))]
    .map((w) => `${asText(w.target) || asText(asObj(rule.trigger).target)}\n${asText(w.object) || (w.fields || w.id ? asText(asObj(rule.trigger).object) : "")}`)
    .filter((k) => /^.+\n.+$/.test(k));
  const key = [...new Set(wanted)].sort().join("\n\n");
  const pairs = key ? key.split("\n\n") : [];
  const answers = useQueries({
    queries: pairs.map((k) => {
      const [target = "", object = ""] = k.split("\n");
      return {
        queryKey: ["rule-fields", target, object],
        queryFn: ({ signal }: { signal: AbortSignal }) => ok(api.GET("/api/v1/rules/vocabulary/fields", { params: { query: { target, object } }, signal })),
        staleTime: 300_000,
        retry: false,
        enabled: vocab.targets.some((t) => t.name === target),
      };
    }),
    combine: (list) => list.map((q) => q.data?.items),
  });
  return useMemo(() => {
    const known = new Map<string, FieldInfo[]>();
    for (const t of vocab.targets) for (const o of t.objects) if (o.fields?.length) known.set(`${t.name}\n${o.name}`, o.fields);
    (key ? key.split("\n\n") : []).forEach((k, i) => answers[i] && known.set(k, answers[i]));
    return (target: string, object: string) => known.get(`${target}\n${object}`);
  }, [vocab, key, answers]);
}
