// The text of a template editor in the page: chips are elements that cannot be edited, lines end with <br>.
import { parse, sourceOf, write, type Piece } from "./template";

// Behind each chip stands an empty character, so that the caret finds a place there.
export const blank = "\u200b";

export type Describe = (p: Piece) => { text: string; title: string; kind: "field" | "code"; bad?: boolean };

export function chip(p: Piece, describe: Describe): HTMLElement {
  const d = describe(p);
  const el = document.createElement("span");
  el.className = "rd-chip";
  el.dataset.kind = d.kind;
  el.dataset.source = sourceOf(p);
  el.contentEditable = "false";
  el.title = d.title;
  el.textContent = d.text;
  if (d.bad) el.dataset.bad = "true";
  return el;
}

/** The nodes of a template. */
export function nodes(source: string, describe: Describe, line: boolean): Node[] {
  const out: Node[] = [];
  for (const p of parse(source)) {
    if (p.kind !== "text") {
      out.push(chip(p, describe), document.createTextNode(blank));
      continue;
    }
    p.text.split("\n").forEach((text, i) => {
      if (i > 0) out.push(line ? document.createTextNode(" ") : document.createElement("br"));
      if (text) out.push(document.createTextNode(text));
    });
  }
  return out;
}

/** Shows a template; a last empty line needs a <br> of its own to be seen. */
export function show(root: HTMLElement, source: string, describe: Describe, line: boolean) {
  root.replaceChildren(...nodes(source, describe, line));
  if (!line && source.endsWith("\n")) root.append(document.createElement("br"));
}

/** Reads the pieces back; of the whole, what a browser puts at the end of it is left out. */
export function read(root: Node, whole = true): string {
  const out: Piece[] = [];
  const walk = (n: Node) => {
    if (n.nodeType === Node.TEXT_NODE) {
      const text = (n.textContent ?? "").replaceAll(blank, "").replaceAll("\u00a0", " ");
      if (text) out.push({ kind: "text", text });
    } else if (n instanceof HTMLElement && n.dataset.source !== undefined) {
      out.push(...parse(n.dataset.source));
    } else if (n.nodeName === "BR") out.push({ kind: "text", text: "\n" });
    else {
      if (/^(DIV|P)$/.test(n.nodeName) && n !== root && out.length) out.push({ kind: "text", text: "\n" });
      n.childNodes.forEach(walk);
    }
  };
  walk(root);
  const last = out.at(-1);
  if (whole && last?.kind === "text" && last.text.endsWith("\n")) last.text = last.text.slice(0, -1);
  return write(out);
}

/** What is written as HTML for insertHTML, which the browser can undo. */
export function html(list: Node[]): string {
  const box = document.createElement("div");
  box.append(...list);
  return box.innerHTML;
}
