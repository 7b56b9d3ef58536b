import { useEffect, useRef, type RefObject } from "react";

interface Keys {
  list: RefObject<HTMLElement | null>; // holds a link with data-key for each row
  open?: string; // the row that is open
  show: (key: string) => void;
  close: () => void;
  search: () => void;
}

const typing = "input, textarea, select, [contenteditable], [role=menu], [role=dialog], .ant-popover";

/** j and k walk the list, Enter opens, Esc closes, / searches; while a mail is open, j and k open the next. */
export function useKeys(keys: Keys) {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      const { list, open, show, close, search } = latest.current;
      if (e.defaultPrevented || e.altKey || e.ctrlKey || e.metaKey) return;
      if (e.target instanceof Element && e.target.closest(typing)) return;
      if (document.querySelector(".ant-modal-wrap:not([style*='none'])")) return;
      if (e.key === "/") search();
      else if (e.key === "Escape") {
        close();
        focus(list, open);
      } else if (e.key === "j" || e.key === "k") {
        const rows = [...(list.current?.querySelectorAll<HTMLElement>("[data-key]") ?? [])];
        const at = document.activeElement?.closest<HTMLElement>("[data-key]") ?? rows.find((r) => r.dataset.key === open);
        const i = at ? rows.indexOf(at) : -1;
        const next = rows[i < 0 ? 0 : Math.max(0, Math.min(i + (e.key === "j" ? 1 : -1), rows.length - 1))];
        if (!next) return;
        next.focus();
        next.scrollIntoView({ block: "nearest" });
        if (open && next.dataset.key && next.dataset.key !== open) show(next.dataset.key);
      } else return;
      e.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function focus(list: RefObject<HTMLElement | null>, key: string | undefined) {
  if (!key) return;
  for (const row of list.current?.querySelectorAll<HTMLElement>("[data-key]") ?? []) if (row.dataset.key === key) row.focus();
}
