// What is wrong with the rule as it stands, asked a moment after the last change; an answer to what stood there before is dropped.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import type { Obj } from "./json";

export function useCheck(rule: Obj) {
  const [late, setLate] = useState(rule);
  useEffect(() => {
    const timer = setTimeout(() => setLate(rule), 350);
    return () => clearTimeout(timer);
  }, [rule]);
  const query = useQuery({
    queryKey: ["rule-check", late],
    queryFn: ({ signal }) => ok(api.POST("/api/v1/rules/check", { body: { rule: late as Schemas["automation"]["RuleBody"] }, signal })),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 30_000,
  });
  return { result: query.data, error: query.error, checking: late !== rule || query.isFetching };
}
