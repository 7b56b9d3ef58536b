import { expect, test } from "vitest";
import { countStates, lines } from "./jobs";

const stat = (what: "delivery" | "hook", state: "discarded" | "available" | "completed", count: number, target?: string, oldest_at?: string) => ({ kind: what, what, target, state, count, blocked: 0, oldest_at });

test("jobs are counted by state, those that are done not", () => {
  expect(countStates([stat("delivery", "discarded", 2, "crm"), stat("hook", "available", 3), stat("hook", "completed", 9)])).toMatchObject({ unfinished: 5, discarded: 2, available: 3, running: 0 });
});

test("a line is a sort of work for a target, with the oldest of it", () => {
  const list = lines([
    stat("hook", "available", 3),
    stat("delivery", "available", 1, "crm", "2026-01-02T00:00:00Z"),
    stat("delivery", "discarded", 2, "crm", "2026-01-01T00:00:00Z"),
    stat("delivery", "available", 0, "erp"),
  ]);
  expect(list.map((l) => [l.what, l.target, l.counts.available, l.counts.discarded, l.oldest])).toEqual([
    ["delivery", "crm", 1, 2, "2026-01-01T00:00:00Z"],
    ["hook", undefined, 3, undefined, undefined],
  ]);
});
