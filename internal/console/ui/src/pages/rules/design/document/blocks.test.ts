import { expect, test } from "vitest";
import { blockKinds, freshBlock, kindOfBlock } from "./blocks";

test("each new part is one that a form shows", () => {
  for (const k of blockKinds) expect(kindOfBlock(freshBlock(k, true))).toBe(k);
});

test("a part is known by what is in it", () => {
  expect(kindOfBlock({ heading: "a", level: 2 })).toBe("heading");
  expect(kindOfBlock({ paragraph: "a", level: 2 })).toBeUndefined();
  expect(kindOfBlock({ heading: "a", paragraph: "b" })).toBeUndefined();
  expect(kindOfBlock({ fact: "steps.a.list" })).toBeUndefined();
});
