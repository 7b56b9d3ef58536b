// What the gateway says in sentences of its own and the API hands on as they are (reasons, details, remedies), in Chinese. What a CRM or a
// mail server said stays in its words.
//
// said.json has whole sentences, and phrases that stand beside the words of others. said_test.go fails when the gateway can say something that
// is not among them.
import type { Lang } from "@/lang";
import table from "./said.json";

const compile = (list: string[][]) => list.map(([pattern, ours]) => [new RegExp(pattern!), ours!] as const);
const sentences = compile(table.sentences);
const phrases = compile(table.phrases);

/** text of the gateway in the language, as far as it is the gateway's own. */
export function said(text: string | undefined, lang: Lang): string {
  if (!text) return "";
  if (lang === "en") return text[0]!.toUpperCase() + text.slice(1);
  for (const [pattern, ours] of sentences) if (pattern.test(text)) return text.replace(pattern, ours);
  return phrases.reduce((t, [pattern, ours]) => t.replace(pattern, ours), text);
}
