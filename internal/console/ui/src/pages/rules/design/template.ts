// Templates as pieces that people understand: text, fields with a fallback and a format, and code for the rest. What is not changed is written
// again to the last character.
export interface Pipe {
  name: string;
  args: string[];
}
export type Piece = { kind: "text"; text: string } | { kind: "field"; path: string; pick?: "first" | "last"; pipes: Pipe[] } | { kind: "code"; text: string };

/** Where the action that begins at i ends, past strings and comments; -1: it does not. */
function endOf(s: string, begin: number): number {
  let i = begin + 2;
  const comment = /^-?[ \t\r\n]*\/\*/.exec(s.slice(i));
  if (comment) {
    const stop = s.indexOf("*/", i + comment[0].length);
    if (stop < 0) return -1;
    i = stop + 2;
  }
  for (; i < s.length; i++) {
    const c = s[i]!;
    if (c === '"' || c === "'") {
      for (i++; i < s.length && s[i] !== c && s[i] !== "\n"; i++) if (s[i] === "\\") i++;
    } else if (c === "`") {
      i = s.indexOf("`", i + 1);
      if (i < 0) return -1;
    } else if (s.startsWith("}}", i)) return i + 2;
  }
  return -1;
}

const braces = '{{"{{"}}';
const brace = '{{"{"}}';
const word = String.raw`[\p{L}_][\p{L}\p{Nd}_]*`;
const quoted = String.raw`"(?:[^"\\\n]|\\.)*"`;
const action = new RegExp(String.raw`^\{\{(?:(first|last) )?(?:\.(${word}(?:\.${word})*)|field (${quoted}))((?: \| [a-z0-9]+(?: (?:${quoted}|-?[\d.]+))*)*)\}\}$`, "u");
const pipe = new RegExp(String.raw` \| ([a-z0-9]+)((?: (?:${quoted}|-?[\d.]+))*)`, "gu");
const plain = new RegExp(String.raw`^${word}(\.${word})*$`, "u");

function pieceOf(source: string): Piece {
  const m = action.exec(source);
  if (!m) return { kind: "code", text: source };
  try {
    const path = m[2] ?? (JSON.parse(m[3]!) as string);
    const pipes = [...(m[4] ?? "").matchAll(pipe)].map((p) => ({ name: p[1]!, args: (p[2]!.match(new RegExp(`${quoted}|-?[\\d.]+`, "gu")) ?? []) as string[] }));
    const piece: Piece = { kind: "field", path, pipes, ...(m[1] && { pick: m[1] as "first" | "last" }) };
    return sourceOf(piece) === source ? piece : { kind: "code", text: source };
  } catch {
    return { kind: "code", text: source };
  }
}

export function parse(source: string): Piece[] {
  const out: Piece[] = [];
  const text = (s: string) => {
    const last = out.at(-1);
    if (!s) return;
    if (last?.kind === "text") last.text += s;
    else out.push({ kind: "text", text: s });
  };
  let at = 0;
  for (;;) {
    const begin = source.indexOf("{{", at);
    const end = begin < 0 ? -1 : endOf(source, begin);
    if (begin < 0) {
      text(source.slice(at));
      return out;
    }
    if (end < 0) {
      out.push({ kind: "code", text: source.slice(at) });
      return out;
    }
    text(source.slice(at, begin));
    at = end;
    const found = source.slice(begin, end);
    const rest = source.slice(end);
    if (found === braces) text("{{");
    else if (found === brace && rest.startsWith("{{") && !rest.startsWith(braces) && !rest.startsWith(brace)) text("{");
    else out.push(pieceOf(found));
  }
}

/** How a piece is written. */
export function sourceOf(p: Piece): string {
  if (p.kind !== "field") return p.text;
  const field = plain.test(p.path) ? `.${p.path}` : `field ${JSON.stringify(p.path)}`;
  return `{{${p.pick ? `${p.pick} ` : ""}${field}${p.pipes.map((x) => ` | ${[x.name, ...x.args].join(" ")}`).join("")}}}`;
}

export function write(pieces: Piece[]): string {
  let out = "";
  let text = "";
  const flush = (before: boolean) => {
    let s = text.replaceAll("{{", braces);
    if (before && s.endsWith("{")) s = s.slice(0, -1) + brace;
    out += s;
    text = "";
  };
  for (const p of pieces) {
    if (p.kind === "text") {
      text += p.text;
      continue;
    }
    flush(true);
    out += sourceOf(p);
  }
  flush(false);
  return out;
}

/** A template that is one field; undefined where it is more. */
export function single(source: string) {
  const [first, ...rest] = parse(source);
  return first?.kind === "field" && !rest.length ? first : undefined;
}

export const field = (path: string, pick?: "first"): string => sourceOf({ kind: "field", path, pipes: [], ...(pick && { pick }) });

/** The text for where there is no value. */
export function fallback(p: Piece): string | undefined {
  const d = p.kind === "field" ? p.pipes.find((x) => x.name === "default") : undefined;
  return d?.args[0]?.startsWith('"') ? (JSON.parse(d.args[0]) as string) : d?.args[0];
}

/** The same field with other words for no value (undefined: none) and another format. */
export function shaped(p: Extract<Piece, { kind: "field" }>, change: { fallback?: string | undefined; format?: Pipe | undefined }): Piece {
  let pipes = p.pipes;
  if ("format" in change) pipes = [...pipes.filter((x) => !formats.has(x.name)), ...(change.format ? [change.format] : [])];
  if ("fallback" in change) pipes = [...pipes.filter((x) => x.name !== "default"), ...(change.fallback === undefined ? [] : [{ name: "default", args: [JSON.stringify(change.fallback)] }])];
  return { ...p, pipes };
}
const formats = new Set(["money", "number", "date", "cut", "upper", "lower", "title", "join", "list", "table", "count"]);
export const formatOf = (p: Piece) => (p.kind === "field" ? p.pipes.find((x) => formats.has(x.name)) : undefined);
