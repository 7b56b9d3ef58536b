// What people call a place in a rule: "2 发邮件 · 主题".
import type { Lang } from "@/lang";
import type { Vocabulary } from "./editor";
import { numbered, stepTitle } from "./facts";
import { pointer, type Obj, type Path } from "./json";

export function placeName(rule: Obj, path: Path, vocab: Vocabulary, lang: Lang, t: { any: (k: string, o?: string) => string }): string {
  const steps = numbered(rule).filter((s) => pointer(path) === pointer(s.path) || pointer(path).startsWith(`${pointer(s.path)}/`));
  const s = steps.at(-1);
  if (s) {
    const rest = path.slice(s.path.length).filter((k) => k !== "with");
    const what = rest.length ? t.any(`param.${String(rest[0])}`, String(rest[0])) : "";
    return [`${s.n} ${t.any(`step.${s.kind}`, stepTitle(vocab, s.kind, lang))}`, what].filter(Boolean).join(" · ");
  }
  const [first = "", second] = path.map(String);
  return [t.any(`place.${first}`, first), second && t.any(`param.${second}`, /^\d+$/.test(second) ? "" : second)].filter(Boolean).join(" · ");
}
