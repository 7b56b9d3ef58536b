// What was changed and not saved yet is kept in this browser, so that a closed window loses nothing.
import { useEffect, useState } from "react";
import { same, type Obj } from "./json";

export interface Kept {
  rule: Obj;
  at: string;
}
const keyOf = (id: string) => `heliograph.rule.${id}`;

function read(id: string): Kept | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(keyOf(id)) ?? "") as Kept;
    return kept.rule && kept.at ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the rule while it is not saved; gives back what was left from an earlier visit. */
export function useKept(id: string, rule: Obj, unsaved: boolean, saved: Obj) {
  const [left, setLeft] = useState(() => {
    const kept = read(id);
    return kept && !same(kept.rule, saved) ? kept : undefined;
  });
  useEffect(() => {
    // What an earlier visit left stays until somebody decided about it.
    if (left) return;
    const timer = setTimeout(() => {
      try {
        if (unsaved) localStorage.setItem(keyOf(id), JSON.stringify({ rule, at: new Date().toISOString() }));
        else localStorage.removeItem(keyOf(id));
      } catch {
        // A browser that keeps nothing: the page asks before it is left.
      }
    }, 500);
    return () => clearTimeout(timer);
  }, [id, rule, unsaved, left]);
  const forget = () => {
    try {
      localStorage.removeItem(keyOf(id));
    } catch {
      // Nothing was kept.
    }
    setLeft(undefined);
  };
  return { left, forget };
}
