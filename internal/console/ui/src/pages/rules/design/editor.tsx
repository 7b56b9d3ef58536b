// What is being edited, for all parts of the designer: the rule with its history, what rules can be made of, and what is wrong.
import { ConfigProvider, theme } from "antd";
import { createContext, useCallback, useContext, useMemo, useReducer, type ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { useLang } from "@/lang";
import { asText, get, pointer, same, set as put, type Json, type Obj, type Path } from "./json";

type Auto = Schemas["automation"];
export type Vocabulary = Auto["Vocabulary"];
export type Parameter = Auto["Parameter"];
export type Words = Auto["Words"];
export type Problem = Auto["RuleProblem"];
export type FactType = Auto["FactType"];
export type FieldInfo = Auto["FieldInfo"];

interface History {
  past: Obj[];
  now: Obj;
  future: Obj[];
  key: string; // changes of one input shortly after each other are one step back
  at: number;
}
type Deed = { do: "change"; make: (rule: Obj) => Obj; key: string } | { do: "undo" } | { do: "redo" } | { do: "load"; rule: Obj };

function reduce(h: History, deed: Deed): History {
  switch (deed.do) {
    case "load":
      return { past: [], now: deed.rule, future: [], key: "", at: 0 };
    case "undo": {
      const back = h.past.at(-1);
      return back ? { past: h.past.slice(0, -1), now: back, future: [h.now, ...h.future], key: "", at: 0 } : h;
    }
    case "redo": {
      const [next, ...future] = h.future;
      return next ? { past: [...h.past, h.now], now: next, future, key: "", at: 0 } : h;
    }
    case "change": {
      const now = deed.make(h.now);
      if (now === h.now || same(now, h.now)) return h;
      const at = Date.now();
      const joined = deed.key !== "" && deed.key === h.key && at - h.at < 1200;
      return { past: joined ? h.past : [...h.past, h.now].slice(-200), now, future: [], key: deed.key, at };
    }
  }
}

/** A rule that can be changed, and changed back. */
export function useHistory(first: Obj) {
  const [h, deed] = useReducer(reduce, { past: [], now: first, future: [], key: "", at: 0 });
  const change = useCallback((make: (rule: Obj) => Obj, key = "") => deed({ do: "change", make, key }), []);
  const undo = useCallback(() => deed({ do: "undo" }), []);
  const redo = useCallback(() => deed({ do: "redo" }), []);
  const load = useCallback((rule: Obj) => deed({ do: "load", rule }), []);
  return { rule: h.now, change, undo, redo, load, canUndo: h.past.length > 0, canRedo: h.future.length > 0 };
}

export interface Editor {
  rule: Obj;
  change: (make: (rule: Obj) => Obj, key?: string) => void;
  undo: () => void;
  redo: () => void;
  vocab: Vocabulary;
  problems: Problem[];
  readOnly: boolean;
  /** Fields of types of records, by target and object; undefined: not known, or not yet. */
  fields: (target: string, object: string) => FieldInfo[] | undefined;
}

const Context = createContext<Editor | undefined>(undefined);
export function EditorProvider({ value, children }: { value: Editor; children: ReactNode }) {
  const { token } = theme.useToken();
  // Who may only read must be able to: the inputs are locked, not faint.
  const legible = useMemo(() => ({ token: { colorTextDisabled: token.colorText, colorBgContainerDisabled: token.colorBgContainer } }), [token]);
  return <Context value={value}>{value.readOnly ? <ConfigProvider theme={legible}>{children}</ConfigProvider> : children}</Context>;
}

export function useEditor(): Editor {
  const e = useContext(Context);
  if (!e) throw new Error("no rule is edited here");
  return e;
}

/** The value at a place, and what changes it. */
export function usePlace(path: Path) {
  const { rule, change } = useEditor();
  const key = pointer(path);
  const write = useCallback((value: Json | undefined) => change((r) => put(r, path, value), key), [change, key]); // eslint-disable-line react-hooks/exhaustive-deps
  return [get(rule, path), write] as const;
}

/** A text of the API in the language of now. */
export function useWords() {
  const lang = useLang();
  return useCallback((w: Words | undefined) => w?.[lang] ?? "", [lang]);
}

/** Whether a problem is one of the input at a place; deep: or of something below it. */
export function concerns(p: Problem, path: Path, deep = true) {
  const here = pointer(path);
  const there = p.missing ? `${p.pointer}/${p.missing}` : p.pointer;
  return there === here || p.pointer === here || (deep && there.startsWith(`${here}/`));
}

export function useProblems(path: Path, deep = true) {
  const { problems } = useEditor();
  const here = pointer(path);
  return useMemo(() => problems.filter((p) => concerns(p, path, deep)), [problems, here, deep]); // eslint-disable-line react-hooks/exhaustive-deps
}

/** The kind of the step at a place. */
export const kindOf = (rule: Obj, path: Path) => asText(get(rule, [...path, "do"]));
