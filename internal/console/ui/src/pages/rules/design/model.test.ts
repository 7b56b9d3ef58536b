import { describe, expect, test } from "vitest";
import { differences, insert, move, pointer, set } from "./json";
import { fallback, formatOf, parse, shaped, single, write } from "./template";

describe("templates", () => {
  test.each([
    "", "您好 {{.contact.name}}！", '{{.contact.name | default "您好"}}', '{{field "record.odd-name" | default "a\\"b"}}', "{{ .x }}", '{{.x | times 0.01 | money "CNY"}}', "{{if .x}}a{{end}}",
    '{{/* }} */}}{{`}}`}}{{"}}"}}', "a {{.x", '{{"{{"}}.x}}', '{{"{"}}{{.x}}', "{{first .steps.customer.first.addresses}}", "a\n\nb\n", '{{"{"}}{{"{{"}}', "{{{.b}}", "{{.a.b.}}", "{{.1}}",
  ])("%j is written again as it was", (source) => expect(write(parse(source))).toBe(source));

  test("text with braces stays text", () => {
    expect(write([{ kind: "text", text: "{{a}} {" }, { kind: "field", path: "x", pipes: [] }])).toBe('{{"{{"}}a}} {{"{"}}{{.x}}');
  });

  test("a field has a fallback and a format", () => {
    const p = single('{{.record.amount | times 0.01 | money "CNY" | default "—"}}')!;
    expect(p.path).toBe("record.amount");
    expect(fallback(p)).toBe("—");
    expect(formatOf(p)).toEqual({ name: "money", args: ['"CNY"'] });
    expect(write([shaped(p, { fallback: undefined, format: { name: "number", args: ["2"] } })])).toBe("{{.record.amount | times 0.01 | number 2}}");
  });
});

describe("changes of a rule", () => {
  const rule = { steps: [{ id: "a" }, { id: "b", with: { branches: [[{ id: "c" }], []] } }, { id: "d" }] };
  test("steps move within a list and between lists", () => {
    expect(move(rule, ["steps", 0], ["steps", 2]).steps.map((s) => s.id)).toEqual(["b", "a", "d"]);
    expect(move(rule, ["steps", 0], ["steps", 1, "with", "branches", 1, 0])).toEqual({ steps: [{ id: "b", with: { branches: [[{ id: "c" }], [{ id: "a" }]] } }, { id: "d" }] });
    expect(move(rule, ["steps", 1], ["steps", 1, "with", "branches", 0, 0])).toBe(rule);
  });
  test("undefined takes away", () => {
    expect(set({ a: { b: 1, c: 2 } }, ["a", "b"], undefined)).toEqual({ a: { c: 2 } });
    expect(set({ steps: [{ id: "x" }] }, ["steps", 0, "with", "reason"], undefined)).toEqual({ steps: [{ id: "x" }] });
    expect(insert({}, ["steps", 0], { id: "x" })).toEqual({ steps: [{ id: "x" }] });
    expect(pointer(["a/b", 0, "c~"])).toBe("/a~1b/0/c~0");
  });
  test("differences are as deep as the shapes are alike", () => {
    expect(differences({ name: "a", steps: [{ id: "x" }] }, { name: "b", steps: [{ id: "x" }, { id: "y" }] })).toEqual([["name"], ["steps"]]);
  });
});
