import { describe, expect, test } from "vitest";
import { after, columnsAfter, freshOperation, operationOf, operations, renamed, type Col } from "./columns";

const words = { budget: "预算", actual: "实际", difference: "差额", used: "使用率", over: "超支" };
const lines: Col[] = [
  { key: "category", label: "科目", kind: "text" },
  { key: "amount", label: "金额", kind: "money" },
  { key: "paid_on", label: "日期", kind: "date" },
];
const other = (name: string): Col[] => (name === "budget" ? [{ key: "category", label: "科目" }, { key: "planned", label: "计划", kind: "money" }] : []);
const keys = (cols: Col[]) => cols.map((c) => c.key);

describe("the columns of a table", () => {
  test("are those that are taken, under their headings", () => {
    expect(columnsAfter({ spec: { columns: [{ key: "what", from: "category" }, { key: "amount", label: "实际" }] } }, lines, 9, other, words)).toEqual([
      { key: "what", label: "科目", kind: "text" },
      { key: "amount", label: "实际", kind: "money" },
    ]);
    expect(keys(columnsAfter({ fields: ["amount"] }, lines, 9, other, words))).toEqual(["amount"]);
    expect(keys(columnsAfter({}, lines, 9, other, words))).toEqual(["category", "amount", "paid_on"]);
  });

  test.each([
    [{ compare: { table: "budget", on: ["category"], budget: "planned", actual: "amount", labels: { used: "执行率" } } }, ["category", "budget", "actual", "difference", "used", "over"]],
    [{ group: { by: ["category"], values: [{ key: "sum", do: "sum", of: "amount" }] } }, ["category", "sum"]],
    [{ join: { table: "budget", on: ["category"] } }, ["category", "amount", "paid_on", "planned"]],
    [{ compute: [{ key: "tax", expr: "amount * 0.13" }] }, ["category", "amount", "paid_on", "tax"]],
    [{ pivot: { rows: ["category"], column: "paid_on", total: "合计" } }, ["category", "total"]],
    [{ totals: {} }, ["category", "amount", "paid_on"]],
    [{ group: {}, sort: [] }, ["category", "amount", "paid_on"]],
  ])("after %j", (op, want) => expect(keys(after(op, lines, other, words))).toEqual(want));

  test("have the headings of a comparison", () => {
    expect(after({ compare: { table: "budget", on: ["category"], budget: "planned", actual: "amount", labels: { used: "执行率" } } }, lines, other, words)).toContainEqual({ key: "used", label: "执行率", kind: "percent" });
  });

  test("each new operation is one that a form shows", () => {
    for (const o of operations) expect(operationOf(freshOperation(o, lines))).toBe(o);
    expect(freshOperation("group", lines)).toEqual({ group: { by: ["category"], values: [{ key: "amount", do: "sum", of: "amount", label: "金额" }] } });
  });
});

test("a table has its other name wherever the step speaks of it, and nothing else changes", () => {
  const w = {
    title: "budget",
    spec: { language: "zh", do: [{ compare: { table: "budget", on: ["a"] } }, { totals: {} }] },
    tables: { budget: { target: "erp" }, more: { table: "budget", spec: { do: [{ join: { table: "budget" } }] } } },
    blocks: [{ table: { of: "budget" } }, { paragraph: "budget" }],
    unknown: 1,
  };
  expect(renamed(w, "budget", "预算")).toEqual({
    title: "budget",
    spec: { language: "zh", do: [{ compare: { table: "预算", on: ["a"] } }, { totals: {} }] },
    tables: { 预算: { target: "erp" }, more: { table: "budget", spec: { do: [{ join: { table: "预算" } }] } } },
    blocks: [{ table: { of: "预算" } }, { paragraph: "budget" }],
    unknown: 1,
  });
  expect(renamed(w, "budget", "more")).toBe(w);
});
