// What several pages say alike: words of the API, the tone of a state, who is who.
import type { Schemas } from "@/api/client";
import type { Tone } from "@/kit";
import type { Lang } from "@/lang";

type Automation = Schemas["automation"];

/** A text of the API in the language; what is there in one language only is better than nothing. */
export const say = (words: Automation["Words"] | undefined, lang: Lang) => (words ? words[lang] || words.zh || words.en : "");

export const runTones: Record<Automation["RuleRunState"], Tone> = { running: "info", waiting: "warn", done: "good", failed: "bad", cancelled: "plain" };
export const stepTones: Record<Automation["RunStep"]["state"], Tone> = { waiting: "warn", done: "good", skipped: "plain", failed: "bad", stopped: "plain" };
export const effectTones: Record<Automation["RunEffect"]["state"], Tone> = { pending: "info", done: "good", failed: "bad", blocked: "warn", shadow: "plain" };

/** "Li Wei <li@example.com>" */
export const personText = (p: { name?: string; address: string }) => (p.name ? `${p.name} <${p.address}>` : p.address);

/** The first few of a list, and how many more there are. */
export function few(list: string[], most = 3): { shown: string[]; more: number } {
  return { shown: list.slice(0, most), more: Math.max(0, list.length - most) };
}

/** The place of a step's row without the rounds of loops, which is the id of its node: 3[17].0 is 3.0. */
export const placeOf = (path: string) => path.replace(/\[\d+\]/g, "");
