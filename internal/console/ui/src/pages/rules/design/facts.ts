// What is known at a place of a rule, for pickers and chips: facts of the trigger, values found in the mail, what earlier steps gave.
import { useMemo } from "react";
import { useLang, type Lang } from "@/lang";
import { useEditor, type Editor, type FactType, type FieldInfo, type Vocabulary } from "./editor";
import { asList, asObj, asText, get, isObj, pointer, texts, type Json, type Obj, type Path } from "./json";

export interface Known {
  path: string;
  type: FactType;
  of?: FactType;
  label: string;
  group: string;
  groupLabel: string;
  choices?: { value: string; label: string }[];
}

/** A step with its place and its number, as people count. */
export interface Numbered {
  path: Path;
  n: string;
  id: string;
  kind: string;
  step: Obj;
}

/** The rows of steps inside a step. */
export function rows(step: Obj): Path[] {
  const w = asObj(step.with);
  switch (step.do) {
    case "branch":
      return [...asList(w.cases).map((_, i) => ["with", "cases", i, "steps"]), ["with", "else"]];
    case "parallel":
      return asList(w.branches).map((_, i) => ["with", "branches", i]);
    case "for_each":
      return [["with", "steps"]];
  }
  return [];
}

/** All steps, numbered: 1, 2, 2.1 … */
export function numbered(rule: Obj): Numbered[] {
  const out: Numbered[] = [];
  const walk = (list: Json | undefined, at: Path, prefix: string, from: number) => {
    let n = from;
    asList(list).forEach((step, i) => {
      if (!isObj(step)) return;
      n++;
      const path = [...at, i];
      out.push({ path, n: `${prefix}${n}`, id: asText(step.id), kind: asText(step.do), step });
      let inner = 0;
      for (const row of rows(step)) {
        const nested = get(step, row);
        walk(nested, [...path, ...row], `${prefix}${n}.`, inner);
        inner += asList(nested).length;
      }
    });
  };
  walk(rule.steps, ["steps"], "", 0);
  return out;
}

const isPrefix = (a: Path, b: Path) => a.length <= b.length && a.every((k, i) => k === b[i]);

/** Whether what a step gave is known at a place: it stands before it in a row around the place. What for_each does stays inside it. */
function before(s: Numbered, at: Path, all: Numbered[]) {
  const i = s.path.findIndex((k, n) => k !== at[n]);
  if (i < 0 || i >= at.length) return at.length === 0;
  const a = s.path[i];
  const b = at[i];
  if (typeof a !== "number" || typeof b !== "number" || a >= b) return false;
  const loop = all.find((x) => x.kind === "for_each" && x.path.length < s.path.length && isPrefix(x.path, s.path) && !isPrefix(x.path, at));
  // Of branches only one is taken, of parallel ones none waits for another.
  const rowOfBranches = s.path[i - 1] === "cases" || s.path[i - 1] === "branches";
  return !loop && !rowOfBranches;
}

/** Our type of a field, of the words that systems have for theirs. */
export function typeOf(f: FieldInfo): FactType {
  const t = (f.type ?? "").toLowerCase();
  if (/list|array|multi|many/.test(t)) return "list";
  if (/curren|money|amount/.test(t)) return "money";
  if (/int|num|float|decimal|double|percent/.test(t)) return "number";
  if (/date|time/.test(t)) return "time";
  if (/bool|true_or_false|checkbox/.test(t)) return "bool";
  if (/mail/.test(t)) return "address";
  if (/object|json/.test(t)) return "object";
  return t ? "text" : "open";
}

const L = (lang: Lang, zh: string, en: string) => (lang === "zh" ? zh : en);
/** What people call a field: what its system does, in Chinese where that is known. */
export const fieldLabel = (f: FieldInfo, lang: Lang) => (lang === "zh" && f.label_zh) || f.label || f.name;

export const stepTitle = (vocab: Vocabulary, kind: string, lang: Lang) => vocab.steps.find((s) => s.kind === kind)?.label[lang] ?? kind;

function stepFacts(e: Editor, s: Numbered, lang: Lang): Known[] {
  const info = e.vocab.steps.find((x) => x.kind === s.kind);
  if (!info || !s.id) return [];
  const w = asObj(s.step.with);
  const group = `steps.${s.id}`;
  const groupLabel = `${s.n} ${info.label[lang]}`;
  const out: Known[] = [];
  const add = (name: string, type: FactType, label: string, more: Partial<Known> = {}) => out.push({ path: `${group}.${name}`, type, label, group, groupLabel, ...more });
  for (const o of info.outputs) if (o.name !== "*") add(o.name, o.type, o.label[lang], { ...(o.name === "records" && { of: "object" }), ...(o.choices?.length && { choices: o.choices.map((c) => ({ value: c.value, label: c.label[lang] })) }) });
  if (s.kind === "find_records") {
    const chosen = new Set(texts(w.fields));
    const known = e.fields(asText(w.target), asText(w.object)) ?? [...chosen].map((name) => ({ name }));
    for (const f of known) if (!chosen.size || chosen.has(f.name)) add(`first.${f.name}`, typeOf(f), fieldLabel(f, lang));
  }
  if (s.kind === "set") for (const name of Object.keys(asObj(w.values))) add(name, "open", name);
  if (s.kind === "classify") for (const d of w.dimensions === undefined ? ["intent", "urgency"] : texts(w.dimensions)) add(d, "text", info.parameters.find((p) => p.name === "dimensions")?.choices?.find((c) => c.value === d)?.label[lang] ?? d);
  return out;
}

/** The fields of what stands in a list: of records that a step found. */
export function elementFields(e: Editor, list: string): FieldInfo[] {
  const id = /^steps\.(\w+)\.records$/.exec(list)?.[1];
  const source = id ? numbered(e.rule).find((s) => s.id === id) : undefined;
  const w = asObj(source?.step.with);
  const chosen = new Set(texts(w.fields));
  return (e.fields(asText(w.target), asText(w.object)) ?? [...chosen].map((name) => ({ name }))).filter((f) => !chosen.size || chosen.has(f.name));
}

export function knownAt(e: Editor, at: Path, lang: Lang): Known[] {
  const { vocab, rule } = e;
  const trigger = asObj(rule.trigger);
  const type = asText(trigger.type);
  const groupOf = (name: string) => vocab.fact_groups.find((g) => g.name === name)?.label[lang] ?? name;
  const out: Known[] = [];
  const push = (path: string, t: FactType, label: string, group: string, more: Partial<Known> = {}) => out.push({ path, type: t, label, group, groupLabel: groupOf(group), ...more });

  const extract = asObj(rule.extract);
  for (const [name, spec] of Object.entries(extract)) {
    const kind = vocab.extract_kinds.find((k) => k.kind === (asText(asObj(spec).kind) || "text"));
    push(`fields.${name}`, asObj(spec).all ? "list" : (kind?.type ?? "text"), texts(asObj(spec).label)[0] ?? name, "fields");
  }
  if (type === "record" || type === "deadline") {
    const fields = e.fields(asText(trigger.target), asText(trigger.object)) ?? texts(trigger.fields).map((name): FieldInfo => ({ name }));
    for (const f of fields) push(`record.${f.name}`, typeOf(f), fieldLabel(f, lang), "record");
    if (type === "record") {
      for (const name of texts(trigger.fields)) {
        const f = fields.find((x) => x.name === name);
        const label = f ? fieldLabel(f, lang) : name;
        push(`change.fields.${name}.old`, f ? typeOf(f) : "open", L(lang, `${label}（原值）`, `${label} before`), "change");
        push(`change.fields.${name}.new`, f ? typeOf(f) : "open", L(lang, `${label}（新值）`, `${label} now`), "change");
      }
    }
  }
  const loops = numbered(rule).filter((s) => (s.kind === "for_each" && isPrefix([...s.path, "with", "steps"], at)) || (s.kind === "batch_send" && isPrefix([...s.path, "with"], at)));
  const loop = loops.at(-1);
  if (loop) {
    push("item", "open", L(lang, "当前项本身", "the element itself"), "item");
    for (const f of elementFields(e, asText(asObj(loop.step.with).in))) push(`item.${f.name}`, typeOf(f), fieldLabel(f, lang), "item");
  }
  for (const f of vocab.facts) {
    if (f.path.includes("*") || f.path.includes("[]") || !f.triggers.some((t) => t === type) || out.some((k) => k.path === f.path)) continue;
    if (f.group === "record" && type !== "record" && type !== "deadline" && !trigger.about) continue;
    push(f.path, f.type, f.label[lang], f.group, { ...(f.of && { of: f.of }), ...(f.choices?.length && { choices: f.choices.map((c) => ({ value: c.value, label: c.label[lang] })) }) });
  }
  const all = numbered(rule);
  const steps = all.filter((s) => before(s, at, all)).flatMap((s) => stepFacts(e, s, lang));
  // What was found out last is what one most likely wants next; what machines need stands at the end.
  const rank: Record<string, number> = { item: 0, fields: 1, change: 2, record: 2, event: 2, mail: 3, contact: 4, company: 5, rule: 9, run: 9, account: 8, time: 7 };
  out.sort((a, b) => (rank[a.group] ?? 6) - (rank[b.group] ?? 6));
  return [...out.filter((k) => k.group === "item"), ...steps.reverse(), ...out.filter((k) => k.group !== "item")];
}

export function useKnown(at: Path): Known[] {
  const e = useEditor();
  const lang = useLang();
  const here = pointer(at);
  return useMemo(() => knownAt(e, at, lang), [e, here, lang]); // eslint-disable-line react-hooks/exhaustive-deps
}

/** What people call a fact, wherever it is known. */
export function useFactLabel() {
  const e = useEditor();
  const lang = useLang();
  return useMemo(() => {
    const labels = new Map<string, { label: string; short: string }>();
    const all = numbered(e.rule);
    for (const k of knownAt(e, ["steps", 1e6], lang)) labels.set(k.path, { label: `${k.groupLabel} · ${k.label}`, short: k.label });
    for (const s of all) for (const k of stepFacts(e, s, lang)) labels.set(k.path, { label: `${k.groupLabel} · ${k.label}`, short: `${k.label}` });
    for (const f of e.vocab.facts) if (!labels.has(f.path)) labels.set(f.path, { label: f.label[lang], short: f.label[lang] });
    return (path: string, short = false) => {
      const found = labels.get(path);
      if (found) return short ? found.short : found.label;
      const step = /^steps\.(\w+)\.(.+)$/.exec(path);
      const s = step && all.find((x) => x.id === step[1]);
      if (s) return `${s.n} ${stepTitle(e.vocab, s.kind, lang)} · ${step[2]}`;
      const [root = "", ...rest] = path.split(".");
      const group = e.vocab.fact_groups.find((g) => g.name === root);
      return group && rest.length ? `${group.label[lang]} · ${rest.join(".")}` : path;
    };
  }, [e, lang]);
}

/** Another id than all steps have. */
export function freshId(rule: Obj, kind: string): string {
  const taken = new Set(numbered(rule).map((s) => s.id));
  const base = { send_mail: "mail", create_ticket: "ticket", find_records: "found", create_record: "record", update_record: "update", assign_ticket: "assign", batch_send: "batch", for_each: "each" }[kind] ?? kind;
  for (let n = 1; ; n++) {
    const id = n === 1 ? base : `${base}_${n}`;
    if (!taken.has(id)) return id;
  }
}
