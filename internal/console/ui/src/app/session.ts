// Who is signed in, and what they may do.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { choseLang, setLang } from "@/lang";

export type Session = Schemas["administration"]["Session"];
/** A permission of the API, "public" (no sign-in) or "signed_in" (any). */
export type Permission = string;

export const sessionKey = ["session"] as const;

export function useSessionQuery() {
  const query = useQuery({
    queryKey: sessionKey,
    queryFn: ({ signal }) => ok(api.GET("/api/v1/session", { signal })),
    staleTime: 60_000,
  });
  const language = query.data?.signed_in ? query.data.language : undefined;
  useEffect(() => {
    if (language && !choseLang()) setLang(language, false);
  }, [language]);
  return query;
}

/** The session; only for what is shown to those who are signed in. */
export function useSession(): Session {
  const { data } = useSessionQuery();
  if (!data) throw new Error("no session is known here");
  return data;
}

export function allowed(session: Session | undefined, permission: Permission): boolean {
  if (permission === "public") return true;
  if (!session?.signed_in) return false;
  return permission === "signed_in" || session.permissions.includes(permission);
}

/** Tells what the caller may do: const may = useMay(); may("rules.write"). The API decides; this is for what is shown. */
export function useMay() {
  const { data } = useSessionQuery();
  return useCallback((permission: Permission) => allowed(data, permission), [data]);
}

/** Takes over a session that the API answered with; those who signed out see nothing that was fetched before. */
export function useTakeSession() {
  const client = useQueryClient();
  return useCallback(
    (session: Session | undefined) => {
      client.removeQueries({ predicate: (q) => q.queryKey[0] !== sessionKey[0] });
      if (session) client.setQueryData(sessionKey, session);
      else void client.resetQueries({ queryKey: sessionKey });
    },
    [client],
  );
}
