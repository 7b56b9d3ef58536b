// Saving the draft: nothing of somebody else's is overwritten without a word.
import { useQueryClient } from "@tanstack/react-query";
import { App } from "antd";
import { useCallback, useEffect, useRef, useState } from "react";
import { api, versioned, type Schemas } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import type { Loaded } from "./Design";
import { same, type Obj } from "./json";
import { useText } from "../texts";

type Body = Schemas["automation"]["RuleBody"];

export function useSaveDraft(id: string, loaded: Loaded, rule: Obj, load: (rule: Obj) => void) {
  const t = useText();
  const client = useQueryClient();
  const { message } = App.useApp();
  const [stored, setStored] = useState(loaded);
  const [saving, setSaving] = useState(false);
  const [error, setError] = useState<unknown>();
  const [conflict, setConflict] = useState<Loaded>();
  const base = stored.data.rule as Obj;
  const now = useRef({ rule, stored });
  useEffect(() => {
    now.current = { rule, stored };
  });

  const took = useCallback(
    (next: Loaded) => {
      const { rule: mine, stored: before } = now.current;
      // What was published may be written in another order than it was sent: nothing is unsaved because of that.
      if (same(mine, before.data.rule as Obj) && !same(mine, next.data.rule as Obj)) load(next.data.rule as Obj);
      setStored(next);
      now.current.stored = next;
      client.setQueryData(["rules", id], next);
      void client.invalidateQueries({ queryKey: ["rules"], predicate: (q) => q.queryKey[1] !== id });
    },
    [client, id, load],
  );

  // What somebody else did is shown at once where nothing here is unsaved.
  useEffect(() => {
    const { rule: mine, stored: before } = now.current;
    if (loaded.etag === before.etag || loaded.data.updated_at < before.data.updated_at) return;
    if (same(mine, before.data.rule as Obj)) {
      now.current.stored = loaded;
      queueMicrotask(() => {
        setStored(loaded);
        if (!same(loaded.data.rule as Obj, mine)) load(loaded.data.rule as Obj);
      });
    }
  }, [loaded, load]);

  const save = useCallback(
    async (body?: Obj): Promise<Loaded> => {
      const mine = body ?? now.current.rule;
      setSaving(true);
      setError(undefined);
      try {
        const next = await versioned(api.PUT("/api/v1/rules/{id}", { params: { path: { id }, header: { "If-Match": now.current.stored.etag } }, body: { rule: mine as Body } }));
        // The server may write it in another order; what is shown stays, unless it says something else.
        took({ ...next, data: { ...next.data, rule: mine as Body } });
        void message.success(t("draftSaved"));
        return next;
      } catch (e) {
        if (e instanceof ApiProblem && e.status === 412) {
          const theirs = await versioned(api.GET("/api/v1/rules/{id}", { params: { path: { id } } }));
          setConflict(theirs);
        } else setError(e);
        throw e;
      } finally {
        setSaving(false);
      }
    },
    [id, took, message, t],
  );

  /** Ends a conflict with a rule that stands on theirs; undefined leaves all as it is. */
  const settle = (merged: Obj | undefined, alsoSave: boolean) => {
    setConflict(undefined);
    if (!merged || !conflict) return;
    took(conflict);
    load(merged);
    if (alsoSave) void save(merged).catch(() => undefined);
  };
  return { settle, base, etag: stored.etag, rule: stored.data, save, saving, error, conflict, took };
}
