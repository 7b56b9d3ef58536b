import { useEffect, useRef } from "react";

/** Keys of the page: not while somebody types, and not behind a dialog. */
export function useKeys(keys: Record<string, () => void>) {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const f = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
      const at = e.target as HTMLElement;
      if (at.closest("input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog], [role=menu], [role=tablist], [role=radiogroup]")) return;
      if (document.querySelector("[role=dialog]:not([aria-hidden=true])")?.getClientRects().length) return;
      const act = latest.current[e.key];
      if (!act) return;
      e.preventDefault();
      act();
    };
    window.addEventListener("keydown", f);
    return () => window.removeEventListener("keydown", f);
  }, []);
}
