import { useCallback } from "react";
import { useNavigate } from "react-router";
import { api } from "@/api/client";
import { useTakeSession } from "./session";

/** Signs out here; the gateway tells the other windows of the session. */
export function useSignOut() {
  const go = useNavigate();
  const takeSession = useTakeSession();
  return useCallback(async () => {
    try {
      await api.DELETE("/api/v1/session");
    } finally {
      takeSession(undefined);
      void go("/sign-in");
    }
  }, [go, takeSession]);
}
