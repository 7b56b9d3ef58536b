// How many things wait for a person, for the navigation: from the overview, for who may see that.
import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "./live";
import { useMay } from "./session";

/** Where one does something about it. Approvals count themselves: those that the caller is asked for, not everybody's. */
const places: Record<string, string> = {
  dead_letters: "/queue",
  target_paused: "/connections",
  target_trouble: "/connections",
  watch_trouble: "/accounts",
  account_trouble: "/accounts",
  reviews: "/review",
  conflicts: "/review",
  duplicates: "/review",
};

export interface Count {
  n: number;
  bad: boolean; // something is broken, not only waiting
}

export function useCounts(): Record<string, Count> {
  const may = useMay();
  const overview = useQuery({
    queryKey: ["overview"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/overview", { signal })),
    enabled: may("overview.read"),
    refetchInterval: 60_000,
  });
  useLiveQueries(["queue", "target", "account", "review"], ["overview"]);
  const counts: Record<string, Count> = {};
  for (const a of overview.data?.attention ?? []) {
    const to = places[a.kind];
    if (!to) continue;
    const c = (counts[to] ??= { n: 0, bad: false });
    c.n += a.count || 1;
    c.bad ||= a.level === "failed";
  }
  return counts;
}
