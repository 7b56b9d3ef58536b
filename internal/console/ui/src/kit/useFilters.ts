import { useCallback, useEffect, useMemo, useRef } from "react";
import { useSearchParams } from "react-router";

/**
 * Filters that live in the address, so that a list can be bookmarked, sent and gone back to:
 *
 *     const [filters, setFilters] = useFilters({ q: "", state: "" });
 *     setFilters({ state: "held" })
 *
 * A filter that has its first value is not in the address.
 */
export function useFilters<T extends Record<string, string>>(first: T): [T, (change: Partial<T>) => void] {
  const [params, setParams] = useSearchParams();
  // The address as it is now, not as it was when a function was made: an answer that comes late takes back no filter.
  const now = useRef({ params, setParams });
  useEffect(() => {
    now.current = { params, setParams };
  });
  const keys = JSON.stringify(first);
  const filters = useMemo(() => {
    const out: Record<string, string> = JSON.parse(keys);
    for (const k of Object.keys(out)) out[k] = params.get(k) ?? out[k]!;
    return out as T;
  }, [params, keys]);
  const set = useCallback(
    (change: Partial<T>) => {
      const start: Record<string, string> = JSON.parse(keys);
      const next = new URLSearchParams(now.current.params);
      for (const [k, v] of Object.entries(change)) {
        if (v === undefined || v === "" || v === start[k]) next.delete(k);
        else next.set(k, v);
      }
      now.current.params = next;
      now.current.setParams(next, { replace: true });
    },
    [keys],
  );
  return [filters, set];
}
