import { KeyOutlined, MobileOutlined } from "@ant-design/icons";
import { Alert, Button, Form, Input, Modal, QRCode } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { fresh } from "@/app/Fresh";
import { addPasskey, passkeysWork } from "@/app/passkey";
import { useSession } from "@/app/session";
import { ApiForm, Async, ConfirmAction, Copy, Empty, Panel, Problem, State, Time } from "@/kit";
import { useText } from "./texts";

type Secret = Schemas["administration"]["TotpSecret"];

/** Authenticator app, passkeys and recovery codes. */
export function Factors() {
  const t = useText();
  const client = useQueryClient();
  const { sign_in } = useSession();
  const query = useQuery({ queryKey: ["me", "factors"], queryFn: ({ signal }) => ok(api.GET("/api/v1/me/factors", { signal })) });
  const [secret, setSecret] = useState<Secret>();
  const [naming, setNaming] = useState(false);
  const [codes, setCodes] = useState<string[]>();
  const [error, setError] = useState<unknown>();
  const again = () => client.invalidateQueries({ queryKey: ["me"] });
  const added = (a: { recovery_codes?: string[] }) => {
    setSecret(undefined);
    setNaming(false);
    if (a.recovery_codes?.length) setCodes(a.recovery_codes);
    void again();
  };
  const begin = () => {
    setError(undefined);
    fresh(() => ok(api.POST("/api/v1/me/factors/totp"))).then(setSecret, setError);
  };
  const hasApp = query.data?.items.some((f) => f.kind === "totp");
  return (
    <Panel
      title={t("factors")}
      flush
      extra={
        <>
          {query.data && !hasApp && (
            <Button icon={<MobileOutlined aria-hidden />} onClick={begin}>
              {t("addTotp")}
            </Button>
          )}
          {sign_in.passkey && passkeysWork() && (
            <Button icon={<KeyOutlined aria-hidden />} onClick={() => setNaming(true)}>
              {t("addPasskey")}
            </Button>
          )}
        </>
      }
    >
      {error !== undefined && <Problem error={error} style={{ margin: 16 }} />}
      <Async query={query} lines={3} empty={(f) => !f.items.length && !f.required && <Empty title={t("noFactors")}>{t("noFactorsHint")}</Empty>}>
        {(f) => (
          <>
            {f.required && !f.items.length && <Alert type="warning" showIcon title={t("required")} style={{ margin: 16 }} />}
            <ul className="plain-list">
              {f.items.map((x) => (
                <li key={x.id}>
                  <div className="grow">
                    <div className="row">
                      <strong>{x.name}</strong>
                      <State tone="info">{t(`kind.${x.kind}`)}</State>
                    </div>
                    <div className="muted small">
                      {t.rich("addedAt", { time: <Time at={x.created_at} /> })}
                      {x.last_used_at && <> · {t.rich("lastUsed", { time: <Time at={x.last_used_at} /> })}</>}
                    </div>
                  </div>
                  <ConfirmAction
                    title={t("removeFactor")}
                    text={t("removeFactorHint", { name: x.name })}
                    danger
                    button={{ size: "small" }}
                    action={() => fresh(() => ok(api.DELETE("/api/v1/me/factors/{id}", { params: { path: { id: x.id } } }))).then(again)}
                  >
                    {t("remove")}
                  </ConfirmAction>
                </li>
              ))}
              {f.items.length > 0 && (
                <li>
                  <div className="grow">
                    <strong>{t("recovery")}</strong>
                    <div className="muted small">{t("recoveryLeft", { n: f.recovery_codes_left })}</div>
                  </div>
                  <ConfirmAction
                    title={t("newCodes")}
                    text={t("newCodesHint")}
                    button={{ size: "small" }}
                    action={async () => {
                      setCodes((await fresh(() => ok(api.POST("/api/v1/me/recovery-codes")))).recovery_codes);
                      void again();
                    }}
                  >
                    {t("newCodes")}
                  </ConfirmAction>
                </li>
              )}
            </ul>
          </>
        )}
      </Async>
      <Modal open={Boolean(secret)} onCancel={() => setSecret(undefined)} title={t("addTotp")} footer={null} width={440} destroyOnHidden>
        {secret && <AddTotp secret={secret} added={added} />}
      </Modal>
      <Modal open={naming} onCancel={() => setNaming(false)} title={t("addPasskey")} footer={null} width={440} destroyOnHidden>
        <p style={{ marginTop: 0 }}>{t("addPasskeyHint")}</p>
        <ApiForm
          onSubmit={async (v: { name: string }) => added(await fresh(() => addPasskey(v.name.trim())))}
          footer={(busy) => (
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("go")}
            </Button>
          )}
        >
          <Form.Item name="name" label={t("passkeyName")} rules={[{ required: true, whitespace: true, message: t("nameMissing") }]}>
            <Input maxLength={100} placeholder={t("passkeyExample")} />
          </Form.Item>
        </ApiForm>
      </Modal>
      <Modal open={Boolean(codes)} onCancel={() => setCodes(undefined)} title={t("recovery")} okText={t("kept")} onOk={() => setCodes(undefined)} cancelButtonProps={{ style: { display: "none" } }} mask={{ closable: false }} width={440}>
        <p style={{ marginTop: 0 }}>{t("recoveryHint")}</p>
        <div className="codes mono">
          {codes?.map((c) => (
            <span key={c}>{c}</span>
          ))}
        </div>
        <Copy text={codes?.join("\n") ?? ""} label={t("copyCodes")} />
      </Modal>
    </Panel>
  );
}

function AddTotp({ secret, added }: { secret: Secret; added: (a: Schemas["administration"]["FactorAdded"]) => void }) {
  const t = useText();
  return (
    <ApiForm
      onSubmit={async (v: { code: string }) => added(await fresh(() => ok(api.POST("/api/v1/me/factors/totp/confirm", { body: { code: v.code.trim() } }))))}
      requiredMark={false}
      footer={(busy) => (
        <Button type="primary" htmlType="submit" loading={busy}>
          {t("go")}
        </Button>
      )}
    >
      <p style={{ marginTop: 0 }}>{t("addTotpHint")}</p>
      <div style={{ display: "grid", justifyItems: "center", gap: 8, marginBottom: 16 }}>
        <QRCode value={secret.uri} type="svg" size={192} color="#000000" bgColor="#ffffff" aria-label={t("qr")} role="img" />
        <span className="small muted">{t("orType")}</span>
        <span className="row">
          <code style={{ overflowWrap: "anywhere" }}>{secret.secret.replace(/(.{4})(?=.)/g, "$1 ")}</code>
          <Copy text={secret.secret} />
        </span>
      </div>
      <Form.Item name="code" label={t("code")} rules={[{ required: true, pattern: /^\s*(\d[\s-]?){6}\s*$/, message: t("codeMissing") }]}>
        <Input className="mono" inputMode="numeric" autoComplete="one-time-code" maxLength={12} style={{ maxWidth: 160 }} />
      </Form.Item>
    </ApiForm>
  );
}
