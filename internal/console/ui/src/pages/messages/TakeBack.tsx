// Taking a mail back from CRMs, and marking mail with people as private. Both say beforehand what will happen.
import { App, Radio } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { Async, ConfirmAction } from "@/kit";
import type { Message } from "./query";
import { useText } from "./texts";

type Result = Schemas["mail"]["WithdrawResult"];
type KeepOut = NonNullable<Schemas["mail"]["RestrictRequest"]["keep_out"]>;

/** What taking back would do, asked of the gateway when the question is shown. */
export function Plan({ messageKey }: { messageKey: string }) {
  const t = useText();
  const query = useQuery({
    queryKey: ["messages", "withdraw", messageKey],
    queryFn: () => ok(api.POST("/api/v1/messages/{key}/withdraw", { params: { path: { key: messageKey } }, body: { reason: "-", dry_run: true } })),
    staleTime: 0,
    gcTime: 0,
  });
  return (
    <Async query={query} lines={2}>
      {({ steps }) =>
        steps.length ? (
          <ul className="plan">
            {steps.map((s, i) => (
              <li key={i}>{t(`step.${s.step}`, { target: s.target })}</li>
            ))}
          </ul>
        ) : (
          <p>{t("noSteps")}</p>
        )
      }
    </Async>
  );
}

function useDone() {
  const t = useText();
  const client = useQueryClient();
  const { message } = App.useApp();
  return async (r: Result) => {
    const kept = r.kept_out?.length ? t("keptOut", { list: r.kept_out.join(t.lang === "zh" ? "、" : ", ") }) : "";
    void message.success(`${t("takenBack", { n: r.steps.length })} ${kept}`.trim());
    await Promise.all([["messages"], ["me", "mirrored"], ["customers"]].map((queryKey) => client.invalidateQueries({ queryKey })));
  };
}

export function Withdraw({ messageKey, small }: { messageKey: string; small?: boolean }) {
  const t = useText();
  const done = useDone();
  return (
    <ConfirmAction
      title={t("withdraw.title")}
      text={t("withdraw.text")}
      body={<Plan messageKey={messageKey} />}
      reason="required"
      danger
      button={{ size: "small", danger: false, type: small ? "link" : "default" }}
      action={async (reason) => done(await ok(api.POST("/api/v1/messages/{key}/withdraw", { params: { path: { key: messageKey } }, body: { reason } })))}
    >
      {t("withdraw")}
    </ConfirmAction>
  );
}

export function Restrict({ messageKey, people, small }: { messageKey: string; people?: Message["people"]; small?: boolean }) {
  const t = useText();
  const done = useDone();
  const [keep, setKeep] = useState<KeepOut>("people");
  const outside = people?.filter((p) => !p.internal && p.address).map((p) => p.address);
  const names = outside?.length ? [...new Set(outside)].slice(0, 4).join(t.lang === "zh" ? "、" : ", ") : t("thesePeople");
  return (
    <ConfirmAction
      title={t("restrict.title")}
      text={t("restrict.text")}
      body={
        <>
          <Plan messageKey={messageKey} />
          <Radio.Group
            aria-label={t("keepOut")}
            value={keep}
            onChange={(e) => setKeep(e.target.value as KeepOut)}
            style={{ display: "grid", gap: 6, marginBottom: 12 }}
            options={[
              { value: "nothing", label: t("keep.nothing") },
              { value: "people", label: t("keep.people", { names }) },
              { value: "domains", label: t("keep.domains") },
            ]}
          />
        </>
      }
      reason="required"
      button={{ size: "small", type: small ? "link" : "default" }}
      action={async (reason) => done(await ok(api.POST("/api/v1/messages/{key}/restrict", { params: { path: { key: messageKey } }, body: { reason, keep_out: keep } })))}
    >
      {t("restrict")}
    </ConfirmAction>
  );
}
