// A rule as plain data, and changes of it that leave what was before untouched, so that they can be undone.
export type Json = string | number | boolean | null | Json[] | Obj;
export interface Obj {
  [key: string]: Json | undefined;
}
export type Path = readonly (string | number)[];

export const isObj = (v: Json | undefined): v is Obj => typeof v === "object" && v !== null && !Array.isArray(v);
export const asObj = (v: Json | undefined): Obj => (isObj(v) ? v : {});
export const asList = (v: Json | undefined): Json[] => (Array.isArray(v) ? v : v === undefined || v === null || v === "" ? [] : [v]);
export const asText = (v: Json | undefined): string => (typeof v === "string" ? v : v === undefined || v === null ? "" : typeof v === "object" ? JSON.stringify(v) : String(v));
export const texts = (v: Json | undefined): string[] => asList(v).map(asText);

export function get(root: Json | undefined, path: Path): Json | undefined {
  let at = root;
  for (const key of path) {
    if (Array.isArray(at)) at = at[Number(key)];
    else if (isObj(at)) at = at[key];
    else return undefined;
  }
  return at;
}

/** Puts a value at a path; undefined takes away what is there. Objects on the way are made, but not to take away from them. */
export function set<T extends Json>(root: T, path: Path, value: Json | undefined): T {
  return put(root, path, value) as T;
}

function put(at: Json | undefined, path: Path, value: Json | undefined): Json | undefined {
  const [key, ...rest] = path;
  if (key === undefined || (value === undefined && at === undefined)) return value;
  if (Array.isArray(at)) {
    const next = at.slice();
    const inner = put(next[Number(key)], rest, value);
    if (inner === undefined) next.splice(Number(key), 1);
    else next[Number(key)] = inner;
    return next;
  }
  if (typeof key === "number") return put([], path, value);
  const was = asObj(at);
  const inner = put(was[key], rest, value);
  return inner === undefined ? Object.fromEntries(Object.entries(was).filter(([k]) => k !== key)) : { ...was, [key]: inner };
}

/** Puts a value into a list, before the element at the end of the path. */
export function insert<T extends Json>(root: T, path: Path, value: Json): T {
  const list = asList(get(root, path.slice(0, -1))).slice();
  list.splice(Number(path.at(-1)), 0, value);
  return set(root, path.slice(0, -1), list);
}

/** Whether something lies at or below a path. */
export const within = (path: Path, root: Path) => root.every((key, i) => path[i] === key);

/** Moves an element of a list before another place, in the same list or another one. Nothing moves into itself. */
export function move<T extends Json>(root: T, from: Path, to: Path): T {
  const value = get(root, from);
  if (value === undefined || within(to, from)) return root;
  // Taking it out shifts what stands behind it in the same list, and everything below that.
  const depth = from.length - 1;
  const there = to.map((key, i) => (i === depth && within(to, from.slice(0, -1)) && Number(key) > Number(from[depth]) ? Number(key) - 1 : key));
  return insert(set(root, from, undefined), there, value);
}

const escape = (key: string | number) => String(key).replaceAll("~", "~0").replaceAll("/", "~1");
export const pointer = (path: Path) => path.map((key) => `/${escape(key)}`).join("");

export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((v, i) => same(v, b[i]));
  if (!isObj(a) || !isObj(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((k) => same(a[k], b[k]));
}

/** The places where two values differ, as deep as both have the same shape. */
export function differences(a: Json | undefined, b: Json | undefined, at: Path = []): Path[] {
  if (same(a, b)) return [];
  if (isObj(a) && isObj(b)) return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((k) => differences(a[k], b[k], [...at, k]));
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) return a.flatMap((v, i) => differences(v, b[i], [...at, i]));
  return [at];
}
