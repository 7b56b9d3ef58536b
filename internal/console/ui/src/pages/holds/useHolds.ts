import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "@/app/live";

/** What is held now; all who ask share one answer. */
export function useHolds() {
  useLiveQueries(["rule", "outbox"], ["holds"]);
  return useQuery({ queryKey: ["holds"], queryFn: ({ signal }) => ok(api.GET("/api/v1/holds", { signal })), refetchInterval: 60_000 });
}
