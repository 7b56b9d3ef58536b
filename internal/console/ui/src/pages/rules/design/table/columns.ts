// Which columns a table has, as far as that is known before it is made: of its lines, and after what is done with them.
import { asList, asObj, asText, isObj, set, texts, type Json, type Obj } from "../json";

export interface Col {
  key: string;
  label: string;
  kind?: string;
}

/** What is done with a table, by the key under which it stands in the specification. */
export const operations = ["group", "compare", "compute", "join", "sort", "top", "pivot", "select", "totals"] as const;
export type Operation = (typeof operations)[number];
export const numeric = (c: Col) => c.kind === "number" || c.kind === "money" || c.kind === "percent";

/** The one thing that an operation does; undefined where a form cannot show it. */
export function operationOf(op: Json | undefined): Operation | undefined {
  const keys = Object.keys(asObj(op));
  return keys.length === 1 ? operations.find((o) => o === keys[0]) : undefined;
}

/** What a budget is called beside the actual amounts, and so on. */
export const compared = ["budget", "actual", "difference", "used", "over"] as const;
export type Headings = Record<(typeof compared)[number], string>;

const named = (c: Obj, was?: Col): Col => ({ key: asText(c.key), label: asText(c.label) || was?.label || asText(c.key), ...((asText(c.kind) || was?.kind) && { kind: asText(c.kind) || was?.kind }) });
const find = (cols: Col[], key: string) => cols.find((c) => c.key === key);
const of = (cols: Col[], key: string): Col => find(cols, key) ?? { key, label: key };
const picked = (list: Json | undefined, cols: Col[]) => asList(list).map(asObj).filter((c) => asText(c.key)).map((c) => named(c, find(cols, asText(c.from) || asText(c.key))));

/** What is taken of the lines. */
export function taken(source: Obj, lines: Col[]): Col[] {
  const columns = picked(asObj(source.spec).columns, lines);
  if (columns.length) return columns;
  const fields = texts(source.fields);
  return fields.length ? fields.map((f) => of(lines, f)) : lines;
}

/** The columns after an operation. other gives those of another table. */
export function after(op: Json | undefined, cols: Col[], other: (table: string) => Col[], words: Headings): Col[] {
  const kind = operationOf(op);
  const o = asObj(kind && asObj(op)[kind]);
  switch (kind) {
    case "select":
      return picked(asObj(op).select, cols);
    case "compute":
      return [...cols, ...picked(asObj(op).compute, [])];
    case "join": {
      const theirs = other(asText(o.table));
      const keys = texts(o.with ?? o.on);
      return [...cols, ...(asList(o.columns).length ? picked(o.columns, theirs) : theirs.filter((c) => !keys.includes(c.key)))];
    }
    case "compare": {
      const kindOf = of(cols, asText(o.actual)).kind ?? of(other(asText(o.table)), asText(o.budget)).kind ?? "number";
      const kinds: Record<string, string> = { budget: kindOf, actual: kindOf, difference: kindOf, used: "percent", over: "bool" };
      return [...texts(o.on).map((k) => of(cols, k)), ...compared.map((k) => ({ key: k, label: asText(asObj(o.labels)[k]) || words[k], kind: kinds[k]! }))];
    }
    case "group":
      return [
        ...texts(o.by).map((k) => of(cols, k)),
        ...asList(o.values).map(asObj).filter((v) => asText(v.key)).map((v) => named({ ...v, kind: asText(v.kind) || (/count|distinct/.test(asText(v.do)) ? "number" : (of(cols, asText(v.of)).kind ?? "number")) })),
      ];
    case "pivot": // what stands across the page is known with the data only
      return [...texts(o.rows).map((k) => of(cols, k)), ...(asText(o.total) ? [{ key: "total", label: asText(o.total), kind: "number" }] : [])];
  }
  return cols;
}

/** The columns after the first operations of a source. */
export function columnsAfter(source: Obj, lines: Col[], n: number, other: (table: string) => Col[], words: Headings): Col[] {
  return asList(asObj(source.spec).do).slice(0, n).reduce<Col[]>((cols, op) => after(op, cols, other, words), taken(source, lines));
}

/** A key that no other has. */
export function freeKey(base: string, all: string[]): string {
  for (let n = 1; ; n++) {
    const key = n === 1 ? base : `${base}_${n}`;
    if (!all.includes(key)) return key;
  }
}

/** A new operation as people most likely want it. */
export function freshOperation(kind: Operation, cols: Col[]): Obj {
  const words = cols.filter((c) => !numeric(c));
  const number = cols.find(numeric);
  const by = words[0] ? [words[0].key] : [];
  switch (kind) {
    case "group":
      return { group: { by, values: number ? [{ key: number.key, do: "sum", of: number.key, label: number.label }] : [{ key: "count", do: "count" }] } };
    case "compare":
      return { compare: { table: "", on: by, budget: "", actual: number?.key ?? "" } };
    case "compute":
      return { compute: [{ key: freeKey("computed", cols.map((c) => c.key)), expr: "" }] };
    case "join":
      return { join: { table: "", on: by } };
    case "sort":
      return { sort: [{ by: (number ?? cols[0])?.key ?? "", ...(number && { desc: true }) }] };
    case "top":
      return { top: { n: 10, by: number?.key ?? "" } };
    case "pivot":
      return { pivot: { rows: by, column: words[1]?.key ?? "", ...(number && { value: number.key }) } };
    case "select":
      return { select: cols.map((c) => ({ key: c.key })) };
    case "totals":
      return { totals: {} };
  }
}

/** Gives a table of a step another name, wherever the step speaks of it. */
export function renamed(w: Obj, from: string, to: string): Obj {
  const tables = asObj(w.tables);
  if (!to || to in tables || !(from in tables)) return w;
  const swap = (v: Json | undefined): Json | undefined => (v === from ? to : v);
  const op = (o: Json): Json => {
    let out = o;
    for (const kind of ["join", "compare"]) if (asObj(asObj(o)[kind]).table === from) out = set(out, [kind, "table"], to);
    return out;
  };
  const source = (s: Obj): Obj => (Array.isArray(asObj(s.spec).do) ? set(s, ["spec", "do"], asList(asObj(s.spec).do).map(op)) : s);
  const block = (b: Json): Json => {
    let out = b;
    for (const kind of ["table", "chart"]) if (isObj(asObj(b)[kind])) out = set(out, [kind, "of"], swap(asObj(asObj(b)[kind]).of));
    return out;
  };
  return source({ ...w, tables: Object.fromEntries(Object.entries(tables).map(([k, v]) => [k === from ? to : k, source(asObj(v))])), ...(Array.isArray(w.blocks) && { blocks: w.blocks.map(block) }) });
}
