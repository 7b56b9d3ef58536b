// Texts in Chinese and English. Each area has en.json and zh.json beside its code, and a hook made by texts():
//
//     export const useText = texts(en, zh);
//     const t = useText();
//     t("sent", { n: 3 })          "{n} mails sent"; sent_one is taken for n = 1
//     t.rich("by", { who: <b/> })  the same with elements in it
//     t.any(`state.${s}`, s)       for values of the API: the value itself where there is no text
//
// texts.test.ts proves that both files have the same keys and that each is used.
import { Fragment, createElement, useSyncExternalStore, type ReactNode } from "react";

export type Lang = "zh" | "en";
type Values = Record<string, string | number>;
type Key<T> = Exclude<keyof T & string, `${string}_one`>;

const stored = "heliograph.lang";
const listeners = new Set<() => void>();

function first(): Lang {
  try {
    const kept = localStorage.getItem(stored);
    if (kept === "zh" || kept === "en") return kept;
  } catch {
    // A browser that keeps nothing: its languages decide.
  }
  for (const each of navigator.languages) {
    if (each.toLowerCase().startsWith("zh")) return "zh";
    if (each.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

let current: Lang = first();
document.documentElement.lang = current === "zh" ? "zh-CN" : "en";

/** The language of now, for code outside of components. */
export const lang = () => current;
export const locale = (l: Lang = current) => (l === "zh" ? "zh-CN" : "en-GB");

/** Changes the language of everything that is shown. keep: also for the next visit in this browser. */
export function setLang(next: Lang, keep = true) {
  if (keep) {
    try {
      localStorage.setItem(stored, next);
    } catch {
      // It then holds until the page is loaded again.
    }
  }
  current = next;
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  for (const each of listeners) each();
}

/** Whether this browser's user chose a language here. */
export function choseLang() {
  try {
    return localStorage.getItem(stored) !== null;
  } catch {
    return false;
  }
}

export function useLang(): Lang {
  return useSyncExternalStore(
    (f) => {
      listeners.add(f);
      return () => listeners.delete(f);
    },
    () => current,
  );
}

export interface Translate<K extends string = string> {
  (key: K, values?: Values): string;
  rich(key: K, values: Record<string, ReactNode>): ReactNode;
  any(key: string, otherwise?: string): string;
  lang: Lang;
}

function translator<K extends string>(own: Record<string, string>, l: Lang): Translate<K> {
  const find = (key: string, values?: Record<string, unknown>) =>
    (values?.n === 1 ? own[`${key}_one`] : undefined) ?? own[key];
  const number = new Intl.NumberFormat(locale(l));
  const t = ((key, values) =>
    (find(key, values) ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => {
      const v = values?.[name];
      if (v === undefined) return whole;
      return typeof v === "number" ? number.format(v) : v;
    })) as Translate<K>;
  t.rich = (key, values) =>
    (find(key, values) ?? key)
      .split(/(\{\w+\})/)
      .map((piece, i) => createElement(Fragment, { key: i }, /^\{\w+\}$/.test(piece) ? values[piece.slice(1, -1)] : piece));
  t.any = (key, otherwise) => own[key] ?? otherwise ?? key;
  t.lang = l;
  return t;
}

/** Makes the hook that gives an area's texts in the language of now. */
export function texts<T extends Record<string, string>>(en: T, zh: Record<Key<T>, string>): () => Translate<Key<T>> {
  const both = { en: translator<Key<T>>(en, "en"), zh: translator<Key<T>>(zh as Record<string, string>, "zh") };
  return function useTexts() {
    return both[useLang()];
  };
}

/** A short text in both languages, for places that stand outside of components. */
export type Both = Record<Lang, string>;
