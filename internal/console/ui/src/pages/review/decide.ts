// Deciding on people, with a way back.
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { domainOf, type Review } from "./lists";
import { useText } from "./texts";
import { useUndo } from "./undo";

type Choice = Schemas["operations"]["ReviewChoice"];
export type Decision = "contact" | "lead" | "skip" | "ignore" | "ask" | "domain";
export interface LinkedTo {
  id: string;
  target: string;
  name: string;
}

const choose = (subjects: string[], decision: Choice["decision"], more?: Partial<Choice>): Choice[] => subjects.map((subject) => ({ subject, decision, ...more }));

export function useDecide(after: (decided: Review[]) => void) {
  const t = useText();
  const client = useQueryClient();
  const { did, undo, failed } = useUndo();
  const [busy, setBusy] = useState(false);
  const again = useCallback(() => client.invalidateQueries({ queryKey: ["reviews"] }), [client]);

  const send = useCallback((decisions: Choice[]) => ok(api.POST("/api/v1/reviews/decide", { body: { decisions } })), []);
  const run = useCallback(
    async (who: Review[], decisions: Choice[], text: (messages: number) => string) => {
      if (busy || !decisions.length) return;
      setBusy(true);
      try {
        const done = await send(decisions);
        after(who);
        await again();
        const back = decisions[0]!.decision === "ask" ? undefined : () => send(choose(decisions.map((d) => d.subject), "ask")).then(again);
        did(text(done.messages), back);
      } catch (e) {
        failed(e);
      } finally {
        setBusy(false);
      }
    },
    [busy, send, after, again, did, failed],
  );
  const decide = (who: Review[], as: Decision) => {
    const subjects = as === "domain" ? [...new Set(who.map((r) => `@${domainOf(r.subject)}`))] : who.map((r) => r.subject);
    const one = subjects.length === 1 ? (as === "domain" ? subjects[0]!.slice(1) : who[0]!.name || subjects[0]!) : "";
    return run(who, choose(subjects, as === "domain" ? "ignore" : as), (messages) => {
      const mails = messages > 0 ? t("mailsMove", { n: messages }) : "";
      return (one ? t(`did.${as}`, { who: one }) : t(`didMany.${as}`, { n: subjects.length })) + mails;
    });
  };
  const link = (who: Review, to: LinkedTo) => run([who], choose([who.subject], "link", { link: to.id, target: to.target }), () => t("did.link", { who: who.name || who.subject, to: to.name }));
  return { decide, link, undo, busy };
}
