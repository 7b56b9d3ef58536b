// How an account stands, in words.
import type { Schemas } from "@/api/client";
import { State, type Tone } from "@/kit";
import type { useText } from "./texts";

export type Account = Schemas["operations"]["Account"];
export type Detail = Schemas["operations"]["AccountDetail"];
type Text = ReturnType<typeof useText>;

/** What comes first of what there is to say of an account. */
export function stateOf(a: Account): "trouble" | "paused" | "capturing" | "off" {
  if (a.trouble) return "trouble";
  if (a.paused) return "paused";
  return a.capturing ? "capturing" : "off";
}
const tones: Record<ReturnType<typeof stateOf>, Tone> = { trouble: "bad", paused: "warn", capturing: "good", off: "plain" };

export function AccountState({ account, t }: { account: Account; t: Text }) {
  const s = stateOf(account);
  return <State tone={tones[s]}>{t(`state.${s}`)}</State>;
}

export const enrolmentTones: Record<Account["enrolment"]["state"], Tone> = { impossible: "plain", none: "plain", link_open: "info", enrolled: "good", trouble: "bad" };

/** Folders as people call them: "+Sent" is taken besides the others, "-\Trash" left out. */
export function folders(list: string[], t: Text): { taken: string; left: string } {
  const names = (sign: string) =>
    list
      .filter((f) => f.startsWith(sign))
      .map((f) => t.any(`folder.${f.slice(1).replace(/^\\/, "").toLowerCase()}`, f.slice(1).replace(/^\\/, "")))
      .join(t.lang === "zh" ? "、" : ", ");
  return { taken: names("+"), left: names("-") };
}
