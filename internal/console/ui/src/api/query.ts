// react-query as all pages use it.
import { QueryCache, QueryClient } from "@tanstack/react-query";
import { ApiProblem } from "./problem";

const listeners = new Set<() => void>();

/** Calls f when an answer said that nobody is signed in any more. */
export function onSignedOut(f: () => void) {
  listeners.add(f);
  return () => void listeners.delete(f);
}

function watch(error: unknown) {
  if (error instanceof ApiProblem && error.status === 401) for (const f of listeners) f();
}

export const queries = new QueryClient({
  queryCache: new QueryCache({ onError: (error, query) => query.queryKey[0] !== "session" && watch(error) }),
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      refetchOnWindowFocus: true,
      // What the gateway refused it refuses again; what did not reach it may.
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiProblem) || error.status === 503 || error.status === 429),
      retryDelay: (n) => Math.min(1000 * 2 ** n, 8000),
    },
    mutations: { retry: false, onError: watch },
  },
});
