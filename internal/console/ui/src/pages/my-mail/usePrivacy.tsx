import { useQuery, useQueryClient } from "@tanstack/react-query";
import { App, Button } from "antd";
import { useState } from "react";
import { api, ok, versioned, type Schemas } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import { useSave } from "@/kit";
import { useText } from "./texts";

export type PrivacyOf = Schemas["mail"]["Privacy"];
export type Choice = Schemas["mail"]["PrivacyChoice"];
type Patch = Schemas["mail"]["PrivacyPatch"];

/** The choices of one of my accounts, the first without a name. */
export const usePrivacy = (account: string) =>
  useQuery({
    queryKey: ["me", "privacy", account],
    queryFn: ({ signal }) => versioned(api.GET("/api/v1/me/privacy", { params: { query: { account: account || undefined } }, signal })),
    retry: (n, e) => n < 2 && !(e instanceof ApiProblem),
  });

export function useChangePrivacy(of: { data: PrivacyOf; etag: string }) {
  return useSave({
    save: (change: Patch) => ok(api.PATCH("/api/v1/me/privacy", { params: { header: { "If-Match": of.etag } }, body: { account: of.data.account, ...change } })),
    invalidates: [["me", "privacy"]],
  });
}

/** Takes an exclusion off, and offers to put it back. */
export function useRemove(of: { data: PrivacyOf; etag: string }) {
  const t = useText();
  const change = useChangePrivacy(of);
  const client = useQueryClient();
  const { notification } = App.useApp();
  const [busy, setBusy] = useState<string>();
  const remove = async (c: Choice, label: string) => {
    setBusy(`${c.kind} ${c.value}`);
    try {
      await change.mutateAsync({ remove: [{ kind: c.kind, value: c.value }] });
      const key = `undo ${c.kind} ${c.value}`;
      const undo = async () => {
        notification.destroy(key);
        await ok(api.PATCH("/api/v1/me/privacy", { body: { account: of.data.account, add: [{ kind: c.kind, value: c.value }] } }));
        await client.invalidateQueries({ queryKey: ["me", "privacy"] });
      };
      notification.info({ key, title: t("removed", { what: label }), description: t("removedHint"), actions: <Button size="small" onClick={() => void undo()}>{t("undo")}</Button> });
    } finally {
      setBusy(undefined);
    }
  };
  return { remove, busy };
}
