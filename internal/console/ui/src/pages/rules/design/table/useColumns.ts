// The columns of the tables of a step: of records, of uploaded tables, of what earlier steps found.
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, ok } from "@/api/client";
import { useEditor, type Editor, type FieldInfo } from "../editor";
import { elementFields, fieldLabel, numbered, typeOf } from "../facts";
import type { Lang } from "@/lang";
import { asList, asObj, asText, get, type Obj, type Path } from "../json";
import { useText } from "../../texts";
import { columnsAfter, type Col, type Headings } from "./columns";

export interface Tables {
  /** What can be taken: the fields of the records, or the columns of the uploaded table. */
  lines: (source: Obj) => Col[];
  /** The columns after the first operations; all without a number. */
  columns: (source: Obj, operations?: number) => Col[];
  /** The columns of a table of the step, or of an uploaded one. */
  named: (name: string) => Col[];
}

const kinds: Record<string, string> = { number: "number", money: "money", time: "datetime", bool: "bool" };
const ofField = (f: FieldInfo, lang: Lang): Col => ({ key: f.name, label: fieldLabel(f, lang), kind: kinds[typeOf(f)] ?? "text" });

/** w: the parameters of the step. */
export function useColumns(w: Path): Tables {
  const t = useText();
  const e = useEditor();
  const query = useQuery({ queryKey: ["tables"], queryFn: ({ signal }) => ok(api.GET("/api/v1/tables", { signal })), staleTime: 60_000, retry: false });
  const uploaded = query.data?.items;
  const step = get(e.rule, w);
  return useMemo(() => {
    const words: Headings = { budget: t("rep.budget"), actual: t("rep.actual"), difference: t("rep.difference"), used: t("rep.used"), over: t("rep.over") };
    return tablesOf(e, asObj(step), (name) => uploaded?.find((x) => x.name === name)?.columns.map((c) => ({ key: c.name, label: c.name, kind: c.kind })) ?? [], words, t.lang, 0);
  }, [e, step, uploaded, t]);
}

// How deep one table may be made of another here; the server says where one is made of itself.
const deepest = 5;

function tablesOf(e: Editor, step: Obj, uploaded: (name: string) => Col[], words: Headings, lang: Lang, depth: number): Tables {
  const named = (name: string): Col[] => {
    const own = asObj(step.tables)[name];
    if (own === undefined) return uploaded(name);
    return depth < deepest ? tablesOf(e, step, uploaded, words, lang, depth + 1).columns(asObj(own)) : [];
  };
  const lines = (source: Obj): Col[] => {
    if (asText(source.table)) return uploaded(asText(source.table));
    if (asText(source.from)) return linesOf(asText(source.from));
    return (e.fields(asText(source.target), asText(source.object)) ?? []).map((f) => ofField(f, lang));
  };
  const linesOf = (list: string): Col[] => {
    const found = elementFields(e, list).map((f) => ofField(f, lang));
    const id = /^steps\.(\w+)\.rows$/.exec(list)?.[1];
    const report = id && depth < deepest ? numbered(e.rule).find((s) => s.id === id && s.kind === "report") : undefined;
    if (!report) return found;
    const w = asObj(report.step.with);
    return tablesOf(e, w, uploaded, words, lang, depth + 1).columns(w);
  };
  const columns = (source: Obj, operations = asList(asObj(source.spec).do).length) => columnsAfter(source, lines(source), operations, named, words);
  return { lines, columns, named };
}
