import { expect, test } from "vitest";
import { counted, lasted, since, typical } from "./trend";

const at = (i: number) => new Date(Date.UTC(2026, 0, 1, i)).toISOString();

test("a range begins on a full hour or day, so that its question stays the same for a while", () => {
  const now = new Date(2026, 0, 10, 12, 33, 20).getTime();
  expect(since("24h", now)).toEqual({ from: new Date(2026, 0, 9, 13).toISOString(), step: "1h" });
  expect(since("30d", now)).toEqual({ from: new Date(2025, 11, 12).toISOString(), step: "1d" });
});

test("bars have a series for each line and nothing where nothing was", () => {
  const option = counted([{ name: "a", points: [{ at: at(0), count: 0 }, { at: at(1), count: 3 }] }], "24h", "en") as { series: { data: unknown[][] }[] };
  expect(option.series.map((s) => s.data.map((d) => d[1]))).toEqual([[null, 3]]);
});

test("lag has two lines, and is typical by weight", () => {
  const points = [
    { at: at(0), count: 10, p50: 1, p95: 4 },
    { at: at(1), count: 0 },
    { at: at(2), count: 1, p50: 60, p95: 90 },
  ];
  const option = lasted(points, ["half", "most"], "24h", "zh") as { series: { data: unknown[][] }[] };
  expect(option.series.map((s) => s.data.map((d) => d[1]))).toEqual([
    [1, null, 60],
    [4, null, 90],
  ]);
  expect(typical(points, "p50")).toBe(1);
  expect(typical([], "p95")).toBeUndefined();
});
