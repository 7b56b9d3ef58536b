// Where the nodes of a rule stand: one below the other, with a lane of its own for each nested row, so that no line crosses a box. A rule is a nest
// of rows, which is why this is enough.
import type { Schemas } from "@/api/client";

type Graph = Schemas["automation"]["Graph"];
type Edge = Graph["edges"][number];

export const nodeWidth = 264;
export const nodeHeight = 92;
const laneGap = 36;
const rankGap = 64;

export interface Place {
  x: number; // of the left edge
  y: number;
}
export interface Line {
  edge: Edge;
  points: [x: number, y: number][];
  label?: [x: number, y: number];
}
export interface Layout {
  places: Map<string, Place>;
  lines: Line[];
  width: number;
  height: number;
}

const into = new Set(["case", "else", "parallel", "each"]);

/** The first steps of the rows inside a node, and whether a line leads past them. */
function insides(graph: Graph, id: string) {
  const nodes = new Map(graph.nodes.map((n) => [n.id, n]));
  const edges = graph.edges.filter((e) => e.from === id && into.has(e.kind ?? ""));
  const first = edges.filter((e) => nodes.get(e.to)?.parent === id).map((e) => e.to);
  return { rows: first.map((f) => row(graph, f)), past: edges.some((e) => nodes.get(e.to)?.parent !== id) };
}

/** All nodes of the row that begins with a node: those with the same place but for the last number. */
function row(graph: Graph, first: string) {
  const prefix = first.slice(0, first.lastIndexOf(".") + 1);
  return graph.nodes.filter((n) => n.id.startsWith(prefix) && /^\d+$/.test(n.id.slice(prefix.length)) && n.kind === "step").map((n) => n.id);
}

function widthOf(graph: Graph, id: string): number {
  const { rows, past } = insides(graph, id);
  if (!rows.length) return 1;
  return rows.reduce((sum, r) => sum + Math.max(...r.map((n) => widthOf(graph, n))), past ? 1 : 0);
}

/** How far below the trigger each node stands: behind all that lead to it. */
function ranksOf(graph: Graph): Map<string, number> {
  const rank = new Map(graph.nodes.map((n) => [n.id, 0]));
  // Nodes are told in the order in which they are reached, the end last.
  for (const n of graph.nodes) {
    for (const e of graph.edges) if (e.from === n.id) rank.set(e.to, Math.max(rank.get(e.to) ?? 0, rank.get(n.id)! + 1));
  }
  return rank;
}

export function layoutOf(graph: Graph): Layout {
  const rank = ranksOf(graph);
  const lane = new Map<string, number>(); // of the middle
  const pastLane = new Map<string, number>();
  const put = (id: string, from: number) => {
    const width = widthOf(graph, id);
    lane.set(id, from + (width - 1) / 2);
    const { rows, past } = insides(graph, id);
    let at = from;
    for (const r of rows) {
      const wide = Math.max(...r.map((n) => widthOf(graph, n)));
      for (const n of r) put(n, at + (wide - widthOf(graph, n)) / 2);
      at += wide;
    }
    if (past) pastLane.set(id, at);
  };
  const top = graph.nodes.filter((n) => !n.parent);
  const lanes = Math.max(1, ...top.map((n) => (n.kind === "step" ? widthOf(graph, n.id) : 1)));
  for (const n of top) put(n.id, (lanes - (n.kind === "step" ? widthOf(graph, n.id) : 1)) / 2);

  const x = (l: number) => l * (nodeWidth + laneGap);
  const places = new Map(graph.nodes.map((n) => [n.id, { x: x(lane.get(n.id) ?? 0), y: (rank.get(n.id) ?? 0) * (nodeHeight + rankGap) }]));
  let outer = x(lanes) - laneGap;
  const lines = graph.edges.map((edge): Line => {
    const from = places.get(edge.from);
    const to = places.get(edge.to);
    if (!from || !to) return { edge, points: [] };
    const sx = from.x + nodeWidth / 2;
    const sy = from.y + nodeHeight;
    const tx = to.x + nodeWidth / 2;
    if (edge.kind === "no" || (edge.to === "end" && edge.kind === "yes")) {
      // Past everything, by the right side.
      outer += laneGap;
      const y = from.y + nodeHeight / 2;
      return { edge, points: [[from.x + nodeWidth, y], [outer, y], [outer, to.y + nodeHeight / 2], [to.x + nodeWidth, to.y + nodeHeight / 2]], label: [from.x + nodeWidth + 18, y - 14] };
    }
    const past = pastLane.get(edge.from);
    if (past !== undefined && into.has(edge.kind ?? "") && !isInside(graph, edge)) {
      const px = x(past) + nodeWidth / 2;
      return { edge, points: [[sx, sy], [sx, sy + rankGap / 3], [px, sy + rankGap / 3], [px, to.y - rankGap / 3], [tx, to.y - rankGap / 3], [tx, to.y]], label: [px, sy + rankGap * 0.66] };
    }
    const turn = into.has(edge.kind ?? "") ? sy + rankGap / 3 : to.y - rankGap / 3;
    return { edge, points: sx === tx ? [[sx, sy], [tx, to.y]] : [[sx, sy], [sx, turn], [tx, turn], [tx, to.y]], label: [tx, to.y - rankGap * 0.34] };
  });
  return { places, lines, width: Math.max(outer, x(lanes) - laneGap), height: Math.max(0, ...[...places.values()].map((p) => p.y + nodeHeight)) };
}

function isInside(graph: Graph, edge: Edge) {
  return graph.nodes.find((n) => n.id === edge.to)?.parent === edge.from;
}

/** A line with round corners through points. */
export function pathOf(points: [number, number][], radius = 8): string {
  if (!points.length) return "";
  let d = `M ${points[0]![0]} ${points[0]![1]}`;
  for (let i = 1; i < points.length; i++) {
    const [x, y] = points[i]!;
    const next = points[i + 1];
    if (!next) {
      d += ` L ${x} ${y}`;
      continue;
    }
    const [px, py] = points[i - 1]!;
    const r = Math.min(radius, Math.hypot(x - px, y - py) / 2, Math.hypot(next[0] - x, next[1] - y) / 2);
    const before: [number, number] = [x - Math.sign(x - px) * r, y - Math.sign(y - py) * r];
    const after: [number, number] = [x + Math.sign(next[0] - x) * r, y + Math.sign(next[1] - y) * r];
    d += ` L ${before[0]} ${before[1]} Q ${x} ${y} ${after[0]} ${after[1]}`;
  }
  return d;
}
