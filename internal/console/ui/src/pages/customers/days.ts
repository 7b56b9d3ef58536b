import type { Schemas } from "@/api/client";

export type Summary = Schemas["mail"]["MessageSummary"];
export interface Conversation {
  thread: string;
  items: Summary[];
}
export interface Day {
  day: string;
  at: Date;
  conversations: Conversation[];
}

/** Mails, the newest first, by day of the browser's zone and by conversation; each keeps its order. */
export function byDay(list: Summary[]): Day[] {
  const days: Day[] = [];
  for (const m of list) {
    const at = new Date(m.sent_at);
    const day = `${at.getFullYear()}-${at.getMonth() + 1}-${at.getDate()}`;
    let d = days.at(-1);
    if (d?.day !== day) days.push((d = { day, at, conversations: [] }));
    const c = d.conversations.find((x) => x.thread === m.thread);
    if (c) c.items.push(m);
    else d.conversations.push({ thread: m.thread, items: [m] });
  }
  return days;
}
