import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";

/** The rules by name; the same answer as the lists of runs have. */
export const useRuleNames = () =>
  useQuery({ queryKey: ["rules", "names"], queryFn: ({ signal }) => ok(api.GET("/api/v1/rules", { params: { query: { limit: 200 } }, signal })), staleTime: 60_000 });
