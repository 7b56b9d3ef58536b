import { expect, test } from "vitest";
import type { Schemas } from "@/api/client";
import { layoutOf, nodeHeight, nodeWidth, pathOf } from "./layout";

const label = { zh: "", en: "" };
const step = (id: string, parent?: string) => ({ id, kind: "step" as const, pointer: "", label, ...(parent && { parent }) });

const graph: Schemas["automation"]["Graph"] = {
  nodes: [
    { id: "trigger", kind: "trigger", pointer: "/trigger", label },
    { id: "condition", kind: "condition", pointer: "/when", label },
    step("0"),
    step("1"),
    step("1.0.0", "1"),
    step("1.0.1", "1"),
    step("1.else.0", "1"),
    step("2"),
    { id: "end", kind: "end", pointer: "", label },
  ],
  edges: [
    { from: "trigger", to: "condition", kind: "next" },
    { from: "condition", to: "end", kind: "no" },
    { from: "condition", to: "0", kind: "yes" },
    { from: "0", to: "1", kind: "next" },
    { from: "1", to: "1.0.0", kind: "case" },
    { from: "1.0.0", to: "1.0.1", kind: "next" },
    { from: "1", to: "1.else.0", kind: "else" },
    { from: "1.0.1", to: "2", kind: "out" },
    { from: "1.else.0", to: "2", kind: "out" },
    { from: "2", to: "end", kind: "next" },
  ],
};

test("no two boxes lie over each other, and what follows stands below", () => {
  const { places } = layoutOf(graph);
  expect(places.size).toBe(graph.nodes.length);
  const all = [...places.values()];
  for (const [i, a] of all.entries()) {
    for (const b of all.slice(i + 1)) {
      expect(Math.abs(a.x - b.x) >= nodeWidth || Math.abs(a.y - b.y) >= nodeHeight).toBe(true);
    }
  }
  for (const e of graph.edges) expect(places.get(e.to)!.y).toBeGreaterThan(places.get(e.from)!.y);
});

test("no line crosses a box", () => {
  const { places, lines } = layoutOf(graph);
  for (const l of lines) {
    for (let i = 1; i < l.points.length; i++) {
      const [[ax, ay], [bx, by]] = [l.points[i - 1]!, l.points[i]!];
      for (const [id, p] of places) {
        const across = Math.max(ax, bx) > p.x + 1 && Math.min(ax, bx) < p.x + nodeWidth - 1 && Math.max(ay, by) > p.y + 1 && Math.min(ay, by) < p.y + nodeHeight - 1;
        expect(across, `${l.edge.from} to ${l.edge.to} crosses ${id}`).toBe(false);
      }
    }
  }
});

test("a branch without otherwise leads past its cases", () => {
  const past = layoutOf({ nodes: graph.nodes.filter((n) => n.id !== "1.else.0"), edges: graph.edges.map((e) => (e.kind === "else" ? { ...e, to: "2" } : e)).filter((e) => e.from !== "1.else.0") });
  const line = past.lines.find((l) => l.edge.kind === "else")!;
  expect(line.points.length).toBe(6);
  expect(line.points[2]![0]).toBeGreaterThan(past.places.get("1.0.0")!.x + nodeWidth);
});

test("corners are round", () => {
  expect(pathOf([[0, 0], [0, 40], [40, 40]])).toBe("M 0 0 L 0 32 Q 0 40 8 40 L 40 40");
});
