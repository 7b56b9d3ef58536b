// What settings are called and do, in words. Keys without words of their own have those of their last part ("*.address"), and what the gateway says of them.
import { useMemo } from "react";
import type { Lang } from "@/lang";
import { useText } from "./texts";
import type { Setting } from "./tree";
import told from "./words.json";
import values from "./values.json";

type Words = [zh: string, en: string, zhHelp?: string, enHelp?: string];
const all = told as unknown as Record<string, Words>;
const options = values as unknown as Record<string, [zh: string, en: string]>;

type Said = Pick<Setting, "path" | "key" | "doc" | "doc_zh">;

const of = (key: string) => all[key] ?? all[`*.${key.slice(key.lastIndexOf(".") + 1)}`];
const keyOf = (s: Said) => s.key ?? s.path.replace(/\[\d+\]/g, "[]");

export function labelIn(s: Said, lang: Lang): string {
  const key = keyOf(s);
  const own = of(key)?.[lang === "zh" ? 0 : 1];
  if (own) return own;
  const last = key.slice(key.lastIndexOf(".") + 1).replaceAll("_", " ");
  return last[0]!.toUpperCase() + last.slice(1);
}

export function helpIn(s: Said, lang: Lang): string {
  const own = of(keyOf(s))?.[lang === "zh" ? 2 : 3];
  if (own) return own;
  if (lang === "zh") return s.doc_zh && s.doc_zh !== labelIn(s, lang) ? s.doc_zh : "";
  return s.doc ? s.doc[0]!.toUpperCase() + s.doc.slice(1) : "";
}

export function useWords() {
  const { lang } = useText();
  return useMemo(
    () => ({
      label: (s: Said) => labelIn(s, lang),
      help: (s: Said) => helpIn(s, lang),
      /** Of a path whose setting is not at hand. */
      labelOf: (path: string) => labelIn({ path: path.replace(/\[\d+\]$/, "") }, lang),
      /** A value that stands for something, in words: "starttls" is "STARTTLS". */
      option: (value: string) => {
        const w = options[value]?.[lang === "zh" ? 0 : 1];
        return w ? (w.toLowerCase() === value.toLowerCase() ? w : `${w} (${value})`) : value;
      },
      /** All that one may look for, in both languages. */
      all: (s: Said) => [s.path, labelIn(s, "zh"), labelIn(s, "en"), helpIn(s, "zh"), helpIn(s, "en")].join(" ").toLowerCase(),
    }),
    [lang],
  );
}
