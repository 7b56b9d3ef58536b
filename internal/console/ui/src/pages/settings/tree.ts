// The settings as a tree of sections, lists and keys; and the changes that a person has made and not yet saved.
import type { Schemas } from "@/api/client";

export type Setting = Schemas["administration"]["Setting"];
export type Kind = Schemas["administration"]["SettingType"];

export interface Node {
  setting: Setting;
  children: Node[]; // of a section
  elements: Element[]; // of a list of sections
}
export interface Element {
  path: string; // "targets[0]"
  children: Node[];
}

/** A key of the JSON Schema, as far as it is read here. */
export interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema;
  enum?: string[];
  default?: unknown;
  description?: string;
  "x-description-zh"?: string;
  "x-secret"?: boolean;
  "x-restart"?: boolean;
  "x-format"?: Kind;
}

const kindOf = (s: Schema): Kind => {
  if (s["x-secret"]) return "secret";
  if (s["x-format"]) return s["x-format"];
  if (s.type === "array") return "list";
  if (s.type === "object") return s.properties ? "section" : "map";
  return s.type === "integer" || s.type === "number" || s.type === "boolean" ? s.type : "text";
};

/** Keys of a section that the file does not have, from the schema. */
export function unset(schema: Schema | undefined, path: string, key: string): Node[] {
  return Object.entries(schema?.properties ?? {}).map(([name, s]) => {
    const setting: Setting = {
      path: path ? `${path}.${name}` : name,
      key: key ? `${key}.${name}` : name,
      type: kindOf(s),
      element: s.items ? kindOf(s.items) : s.additionalProperties ? kindOf(s.additionalProperties) : undefined,
      default: s.default,
      set: false,
      enum: s.enum,
      doc: s.description,
      doc_zh: s["x-description-zh"],
      restart: s["x-restart"] ?? false,
    };
    return { setting, children: setting.type === "section" ? unset(s, setting.path, setting.key ?? "") : [], elements: [] };
  });
}

/** The schema at a key such as targets[].deliver. */
export function schemaAt(root: Schema | undefined, key: string): Schema | undefined {
  let at = root;
  for (const step of key.split(".")) {
    const name = step.replace(/\[\]$/, "");
    at = at?.properties?.[name];
    if (step.endsWith("[]")) at = at?.items;
  }
  return at;
}

/** The tree of a flat list, in its order. */
export function treeOf(items: Setting[], schema?: Schema): Node[] {
  const roots: Node[] = [];
  const nodes = new Map<string, Node>();
  for (const setting of items) {
    const node: Node = { setting, children: [], elements: [] };
    nodes.set(setting.path, node);
    const cut = setting.path.lastIndexOf(".");
    if (cut < 0) {
      roots.push(node);
      continue;
    }
    const above = setting.path.slice(0, cut);
    const list = /^(.*)\[(\d+)\]$/.exec(above);
    if (!list) {
      nodes.get(above)?.children.push(node);
      continue;
    }
    const elements = nodes.get(list[1]!)?.elements;
    if (!elements) continue;
    const element = (elements[Number(list[2])] ??= { path: above, children: [] });
    element.children.push(node);
  }
  for (const n of nodes.values()) {
    const { type, key, path } = n.setting;
    if (type === "section" && !n.children.length) n.children = unset(schemaAt(schema, key ?? path), path, key ?? path);
  }
  return roots;
}

/** Changes that are not saved yet. */
export interface Draft {
  set: Record<string, unknown>; // by path; null takes the key away
  removed: string[]; // elements of lists, such as targets[1]
  added: { path: string; value: Record<string, unknown>; secrets: Record<string, string> }[];
}
export const noDraft: Draft = { set: {}, removed: [], added: [] };
export const changesIn = (d: Draft) => Object.keys(d.set).length + d.removed.length + d.added.length;

export const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

export const without = (set: Draft["set"], path: string): Draft["set"] => Object.fromEntries(Object.entries(set).filter(([p]) => p !== path));

/** Keeps a value, or forgets the change when it is what the file has. */
export function keep(d: Draft, s: Setting, value: unknown): Draft {
  const set = without(d.set, s.path);
  const unchanged = s.type !== "secret" && (value === null ? !s.set : same(value, s.value) && (s.set || value !== undefined));
  if (!unchanged) set[s.path] = value;
  return { ...d, set };
}

type Change = Schemas["administration"]["SettingsChange"]["changes"][number];

/** The changes in an order in which no position shifts under another: values, then what goes from the last to the first, then what comes. */
export function changesOf(d: Draft, items: Setting[]): Change[] {
  const gone = (path: string) => d.removed.some((r) => path === r || path.startsWith(`${r}.`));
  const out: Change[] = Object.entries(d.set)
    .filter(([path]) => !gone(path))
    .map(([path, value]) => ({ path, op: "set" as const, value }));
  const position = (path: string) => Number(/\[(\d+)\]$/.exec(path)?.[1] ?? 0);
  for (const path of [...d.removed].sort((a, b) => position(b) - position(a))) out.push({ path, op: "remove" });
  const length: Record<string, number> = {};
  for (const { path, value, secrets } of d.added) {
    const there = items.find((s) => s.path === path)?.value;
    length[path] ??= (Array.isArray(there) ? there.length : 0) - d.removed.filter((r) => r.replace(/\[\d+\]$/, "") === path).length;
    out.push({ path, op: "append", value });
    for (const [key, secret] of Object.entries(secrets)) out.push({ path: `${path}[${length[path]}].${key}`, op: "set", value: secret });
    length[path]!++;
  }
  return out;
}
