import { expect, test } from "vitest";
import { changesOf, keep, noDraft, treeOf, type Schema, type Setting } from "./tree";

const s = (path: string, type: Setting["type"], more: Partial<Setting> = {}): Setting => ({ path, key: path.replace(/\[\d+\]/g, "[]"), type, set: true, restart: false, ...more });
const items = [
  s("targets", "list", { element: "section", value: [{}, {}, {}] }),
  s("targets[0].name", "text", { value: "a" }),
  s("targets[1].name", "text", { value: "b" }),
  s("redis", "section", { set: false }),
  s("mirror", "section"),
  s("mirror.workers", "integer", { value: 4, default: 4, set: false }),
];
const schema: Schema = { properties: { redis: { type: "object", properties: { address: { type: "string" }, password: { type: "string", "x-secret": true } } } } };

test("a flat list becomes sections, elements and keys; what a left-out section could have comes from the schema", () => {
  const tree = treeOf(items, schema);
  expect(tree.map((n) => n.setting.path)).toEqual(["targets", "redis", "mirror"]);
  expect(tree[0]!.elements.map((e) => e.path)).toEqual(["targets[0]", "targets[1]"]);
  expect(tree[1]!.children.map((n) => [n.setting.path, n.setting.type])).toEqual([
    ["redis.address", "text"],
    ["redis.password", "secret"],
  ]);
});

test("a value that the file has is no change", () => {
  const name = items[1]!;
  const draft = keep(noDraft, name, "x");
  expect(draft.set).toEqual({ "targets[0].name": "x" });
  expect(keep(draft, name, "a").set).toEqual({});
  expect(keep(noDraft, items[5]!, null).set).toEqual({});
  expect(keep(noDraft, items[5]!, 8).set).toEqual({ "mirror.workers": 8 });
});

test("positions hold while changes are made one after the other", () => {
  const draft = {
    set: { "targets[0].name": "x", "targets[1].name": "gone" },
    removed: ["targets[1]", "targets[2]"],
    added: [{ path: "targets", value: { name: "c" }, secrets: { token: "t" } }],
  };
  expect(changesOf(draft, items)).toEqual([
    { path: "targets[0].name", op: "set", value: "x" },
    { path: "targets[2]", op: "remove" },
    { path: "targets[1]", op: "remove" },
    { path: "targets", op: "append", value: { name: "c" } },
    { path: "targets[1].token", op: "set", value: "t" },
  ]);
});
