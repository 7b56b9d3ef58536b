import type { Schemas } from "@/api/client";
import { State, type Tone } from "@/kit";
import { useText } from "./texts";

type Message = Schemas["automation"]["OutboxMessage"];
type RecipientState = Schemas["automation"]["RecipientState"];

export const recipientTones: Record<RecipientState, Tone> = { pending: "info", delivered: "good", relayed: "good", failed: "bad", unknown: "warn", bounced: "bad", suppressed: "plain" };

// What needs a person comes first.
const order: RecipientState[] = ["unknown", "pending", "failed", "bounced", "suppressed", "relayed", "delivered"];

/** The state of a message: that of the recipient who needs most. */
export const stateOf = (m: Message): RecipientState => order.find((s) => m.recipients.some((r) => r.state === s)) ?? "pending";

export function MessageState({ message: m }: { message: Message }) {
  const t = useText();
  if (m.held && !m.finished_at) return <State tone="warn">{t("state.held")}</State>;
  const state = stateOf(m);
  const n = m.recipients.filter((r) => r.state === state).length;
  return (
    <State tone={recipientTones[state]}>
      {t(`state.${state}`)}
      {m.recipients.length > 1 && ` ${n}/${m.recipients.length}`}
    </State>
  );
}
