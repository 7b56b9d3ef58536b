// The parts that a document is made of.
import { asObj, type Json, type Obj } from "../json";

export const blockKinds = ["heading", "paragraph", "facts", "table", "chart", "pictures", "process", "signatures", "page_break"] as const;
export type BlockKind = (typeof blockKinds)[number];

/** What a part is; undefined where a form cannot show it. */
export function kindOfBlock(block: Json | undefined): BlockKind | undefined {
  const keys = Object.keys(asObj(block)).filter((k) => k !== "level");
  const kind = keys.length === 1 ? blockKinds.find((k) => k === keys[0]) : undefined;
  return kind && ("level" in asObj(block) ? kind === "heading" : true) ? kind : undefined;
}

/** A new part as people most likely want it. */
export function freshBlock(kind: BlockKind, mail: boolean): Obj {
  switch (kind) {
    case "heading":
    case "paragraph":
      return { [kind]: "" };
    case "facts":
      return { facts: [{ label: "", value: "" }] };
    case "table":
      return { table: { of: "" } };
    case "chart":
      return { chart: { of: "", kind: "bar", category: "", series: [] } };
    case "pictures":
      return { pictures: { of: mail ? "mail" : "", columns: 2 } };
    case "process":
      return { process: [{ title: "", state: "current" }, { title: "", state: "open" }] };
    case "signatures":
      return { signatures: [{ role: "" }] };
    case "page_break":
      return { page_break: true };
  }
}
