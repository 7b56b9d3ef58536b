// The rules that we ship can be looked at and changed in forms, to the last key.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { kindOfBlock } from "./document/blocks";
import { numbered } from "./facts";
import { asList, asObj, type Obj } from "./json";
import { operationOf } from "./table/columns";

const folder = join(process.cwd(), "../../../deploy/rules");
const files = readdirSync(folder).filter((f) => f.endsWith(".yaml"));

// What the forms have inputs for.
const known = {
  report: ["title", "from", "target", "object", "table", "where", "fields", "spec", "tables", "chart", "outputs", "file_name", "orientation"],
  document: ["title", "subtitle", "facts", "blocks", "tables", "outputs", "file_name", "orientation", "language"],
  spec: ["title", "language", "columns", "do", "chart"],
  column: ["key", "from", "label", "kind", "align", "width", "currency", "decimals", "total", "warn", "yes", "no"],
};
const only = (o: Obj, keys: string[]) => Object.keys(o).filter((k) => !keys.includes(k));

test.each(files)("%s", (file) => {
  const steps = numbered(parse(readFileSync(join(folder, file), "utf8")) as Obj);
  for (const s of steps) {
    const w = asObj(s.step.with);
    if (s.kind !== "report" && s.kind !== "document") continue;
    expect(only(w, known[s.kind])).toEqual([]);
    for (const source of [...(s.kind === "report" ? [w] : []), ...Object.values(asObj(w.tables)).map(asObj)]) {
      expect(only(asObj(source.spec), known.spec)).toEqual([]);
      for (const c of asList(asObj(source.spec).columns)) expect(only(asObj(c), known.column)).toEqual([]);
      for (const op of asList(asObj(source.spec).do)) expect(operationOf(op)).toBeDefined();
    }
    for (const b of asList(w.blocks)) expect(kindOfBlock(b)).toBeDefined();
  }
});
