import { expect, test } from "vitest";
import { pauses } from "./pause";

test("a pause ends when people think that it does", () => {
  const local = (text: string) => new Date(text).toISOString();
  const noon = new Date("2026-03-02T12:30:00");
  expect(pauses.hour(noon)).toBe(local("2026-03-02T13:30:00"));
  expect(pauses.evening(noon)).toBe(local("2026-03-02T18:00:00"));
  expect(pauses.evening(new Date("2026-03-02T19:00:00"))).toBe(local("2026-03-03T18:00:00"));
  expect(pauses.tomorrow(noon)).toBe(local("2026-03-03T09:00:00"));
  expect(pauses.week(noon)).toBe(local("2026-03-09T09:00:00"));
  expect(pauses.open(noon)).toBeUndefined();
});
