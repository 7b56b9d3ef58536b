// What is done with a target.
import { App, Button } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { asProblem, words } from "@/api/problem";
import { useMay } from "@/app/session";
import { ConfirmAction } from "@/kit";
import { useText } from "./texts";
import { TrialButton } from "./Trial";

export type Target = Schemas["operations"]["Target"];

/** Test, pause with a reason, resume, ask for changes. */
export function Deeds({ target: x, all }: { target: Target; all?: boolean }) {
  const t = useText();
  const may = useMay();
  const client = useQueryClient();
  const { message } = App.useApp();
  const [busy, setBusy] = useState(false);
  if (!may("targets.write")) return null;
  const params = { path: { name: x.name } };
  const again = () => {
    void client.invalidateQueries({ queryKey: ["targets"] });
    void client.invalidateQueries({ queryKey: ["overview"] });
  };
  const run = async (deed: () => Promise<unknown>, done: string) => {
    setBusy(true);
    try {
      await deed();
      void message.success(done);
      again();
    } catch (e) {
      const w = words(asProblem(e), t.lang);
      void message.error([w.detail, w.remedy].filter(Boolean).join(" "));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <TrialButton title={t("testOf", { name: x.name })} hint={t("testTargetHint")} run={() => ok(api.POST("/api/v1/targets/{name}/test", { params }))}>
        {t("test")}
      </TrialButton>
      {x.state === "paused" || x.state === "trouble" ? (
        <Button type="primary" loading={busy} onClick={() => void run(() => ok(api.POST("/api/v1/targets/{name}/resume", { params })), t("resumed", { name: x.name }))}>
          {t("resume")}
        </Button>
      ) : (
        <ConfirmAction
          title={t("pauseOf", { name: x.name })}
          text={t("pauseHint")}
          confirm={t("pause")}
          reason="required"
          action={(reason) => ok(api.POST("/api/v1/targets/{name}/pause", { params, body: { reason } })).then(again)}
        >
          {t("pause")}
        </ConfirmAction>
      )}
      {all && x.contacts && (
        <Button loading={busy} onClick={() => void run(() => ok(api.POST("/api/v1/targets/{name}/resync", { params })), t("resyncing"))}>
          {t("resync")}
        </Button>
      )}
    </>
  );
}
