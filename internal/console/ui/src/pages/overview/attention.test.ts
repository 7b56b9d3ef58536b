import { expect, test } from "vitest";
import { leads } from "./attention";
import { rate } from "./Flow";

test("what needs a person leads to where one does something about it", () => {
  const of = (kind: Parameters<typeof leads>[0]["kind"], name?: string, detail?: string) => leads({ kind, level: "failed", count: 1, name, detail })?.to;
  expect(of("dead_letters")).toBe("/queue?state=discarded");
  expect(of("target_trouble", "crm/eu")).toBe("/connections/crm%2Feu");
  expect(of("account_trouble", "li@example.com")).toBe("/accounts/li%40example.com");
  expect(of("rules_held", "welcome", "mail of rules is held (rule): why")).toBe("/outbox?state=held");
  expect(of("rules_held", "welcome", "too many")).toBe("/rules/welcome");
  expect(of("space")).toBeUndefined();
});

test("the rate is that of the last five minutes that are over", () => {
  const minutes = [100, 1, 2, 3, 4, 5, 90].map((count, i) => ({ at: `2026-01-01T00:0${i}:00Z`, count }));
  expect(rate(minutes, "en")).toBe("3");
  expect(rate([], "en")).toBe("0");
});
