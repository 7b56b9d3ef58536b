import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "@/app/live";

/** How many approvals wait for the caller, beside the entry of the navigation. */
export function OpenApprovals() {
  useLiveQueries(["approval"], ["approvals", "open"]);
  const { data } = useQuery({ queryKey: ["approvals", "open"], queryFn: ({ signal }) => ok(api.GET("/api/v1/approvals", { params: { query: { limit: 1 } }, signal })), refetchInterval: 60_000 });
  return data?.open ? <span className="badge">{data.open}</span> : null;
}
