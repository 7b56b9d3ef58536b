import { expect, test } from "vitest";
import { byDay, type Summary } from "./days";

const mail = (key: string, thread: string, sent_at: string) => ({ key, thread, sent_at }) as Summary;

test("mail is grouped by day, then by conversation, and keeps its order", () => {
  const days = byDay([
    mail("d", "t1", "2026-03-02T09:00:00"),
    mail("c", "t2", "2026-03-02T08:00:00"),
    mail("b", "t1", "2026-03-02T07:00:00"),
    mail("a", "t1", "2026-03-01T23:00:00"),
  ]);
  expect(days.map((d) => [d.day, d.conversations.map((c) => c.items.map((m) => m.key).join(""))])).toEqual([
    ["2026-3-2", ["db", "c"]],
    ["2026-3-1", ["a"]],
  ]);
});
