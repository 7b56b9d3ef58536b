import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";

/** The rule of a tab, as all tabs share it. */
export const useRule = (id: string) =>
  useQuery({ queryKey: ["rule-flow", id, "rule"], queryFn: ({ signal }) => ok(api.GET("/api/v1/rules/{id}", { params: { path: { id } }, signal })) });

/** The newest versions of a rule: what one chooses from. */
export const useVersions = (id: string) =>
  useQuery({ queryKey: ["rule-flow", id, "versions", 200], queryFn: ({ signal }) => ok(api.GET("/api/v1/rules/{id}/versions", { params: { path: { id }, query: { limit: 200 } }, signal })) });
