import { useCallback } from "react";
import type { Describe } from "./chipdom";
import { useFactLabel } from "./facts";
import { fallback, formatOf, type Piece } from "./template";
import { useText } from "../texts";

/** What a chip shows, and says when one points at it. */
export function useDescribe(): Describe {
  const t = useText();
  const name = useFactLabel();
  return useCallback(
    (p: Piece) => {
      if (p.kind !== "field") {
        const inner = p.text.replace(/^\{\{-?\s*|\s*-?\}\}$/g, "");
        const word = /^(if|else|end|range|with)\b/.exec(inner)?.[1];
        return { kind: "code", text: word ? `${t.any(`code.${word}`, word)}${inner.slice(word.length)}` : inner, title: t("codeChip") };
      }
      const f = formatOf(p);
      const d = fallback(p);
      const label = name(p.path);
      const lines = [label, f && t("formatIs", { format: t.any(`format.${f.name}`, f.name) }), d !== undefined && t("fallbackIs", { text: d || t("nothingWord") })];
      return { kind: "field", text: `${p.pick === "first" ? t("firstOf") : ""}${label}${f ? ` · ${t.any(`format.${f.name}`, f.name)}` : ""}`, title: lines.filter(Boolean).join("\n") };
    },
    [t, name],
  );
}
