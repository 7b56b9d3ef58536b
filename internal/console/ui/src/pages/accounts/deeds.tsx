// What is done with an account: pause and resume its capture, enrol, test, revoke.
import { App, Button } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok } from "@/api/client";
import { asProblem, words } from "@/api/problem";
import { useMay } from "@/app/session";
import { ConfirmAction } from "@/kit";
import { TrialButton } from "../connections/Trial";
import { LinkButton } from "./Link";
import { useText } from "./texts";
import type { Detail } from "./words";

function useAgain() {
  const client = useQueryClient();
  return () => {
    void client.invalidateQueries({ queryKey: ["accounts"] });
    void client.invalidateQueries({ queryKey: ["overview"] });
  };
}

export function CaptureDeeds({ account: a }: { account: Detail }) {
  const t = useText();
  const may = useMay();
  const again = useAgain();
  const { message } = App.useApp();
  const [busy, setBusy] = useState(false);
  if (!may("accounts.write")) return null;
  const params = { path: { address: a.address } };
  const resume = async () => {
    setBusy(true);
    try {
      await ok(api.POST("/api/v1/accounts/{address}/resume", { params }));
      void message.success(t("resumed"));
      again();
    } catch (e) {
      void message.error(words(asProblem(e), t.lang).detail);
    } finally {
      setBusy(false);
    }
  };
  if (a.paused) {
    return (
      <Button type="primary" loading={busy} onClick={() => void resume()}>
        {t("resume")}
      </Button>
    );
  }
  return (
    <ConfirmAction title={t("pauseOf", { name: a.name || a.address })} text={t("pauseHint")} confirm={t("pause")} reason="required" action={(reason) => ok(api.POST("/api/v1/accounts/{address}/pause", { params, body: { reason } })).then(again)}>
      {t("pause")}
    </ConfirmAction>
  );
}

export function EnrolmentDeeds({ account: a }: { account: Detail }) {
  const t = useText();
  const may = useMay();
  const again = useAgain();
  const { modal } = App.useApp();
  const state = a.enrolment.state;
  if (!may("accounts.write") || state === "impossible") return null;
  const params = { path: { address: a.address } };
  const enrolled = state === "enrolled" || state === "trouble";
  const revoke = async () => {
    const r = await ok(api.POST("/api/v1/accounts/{address}/revoke", { params }));
    again();
    if (!r.provider_told) modal.warning({ title: t("revoked"), content: t("tellProvider") });
  };
  return (
    <div className="row">
      <LinkButton account={a} made={again} />
      {state === "link_open" && (
        <ConfirmAction title={t("endLink")} text={t("endLinkHint")} action={() => ok(api.DELETE("/api/v1/accounts/{address}/enrolment-link", { params })).then(again)}>
          {t("endLink")}
        </ConfirmAction>
      )}
      {enrolled && (
        <>
          <TrialButton title={t("testOf", { name: a.address })} run={() => ok(api.POST("/api/v1/accounts/{address}/test", { params }))}>
            {t("test")}
          </TrialButton>
          <ConfirmAction title={t("revoke")} text={t("revokeHint", { name: a.name || a.address })} danger action={revoke}>
            {t("revoke")}
          </ConfirmAction>
        </>
      )}
    </div>
  );
}
