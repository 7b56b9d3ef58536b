import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";

/** Names of rules by their id, for those who may read them. */
export function useRuleNames(wanted: boolean): Record<string, string> {
  const may = useMay();
  const { data } = useQuery({
    queryKey: ["rules", "names"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/rules", { params: { query: { limit: 200 } }, signal })),
    enabled: wanted && may("rules.read"),
    staleTime: 300_000,
  });
  return useMemo(() => Object.fromEntries((data?.items ?? []).map((r) => [r.id, r.name])), [data]);
}
