// Proving again who sits there, before what is delicate: an action that the API answers with 403 sign_in_again waits for it
// and is then done again.
//
//     await fresh(() => ok(api.POST("/api/v1/me/factors/totp")))
import { KeyOutlined } from "@ant-design/icons";
import { Button, Form, Input, Modal } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState, useSyncExternalStore } from "react";
import { api, ok } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import { ApiForm } from "@/kit/ApiForm";
import { Problem } from "@/kit/Async";
import { passkeysWork, signInByPasskey } from "./passkey";
import { sessionKey, useSession, type Session } from "./session";
import { useText } from "./texts";

let asked: { settle: (done: boolean) => void } | undefined;
const listeners = new Set<() => void>();
const tell = () => listeners.forEach((f) => f());

function ask(): Promise<boolean> {
  return new Promise((settle) => {
    asked?.settle(false);
    asked = { settle };
    tell();
  });
}

function settle(done: boolean) {
  asked?.settle(done);
  asked = undefined;
  tell();
}

/** Does what needs a fresh sign-in, asking the person for one where the API does. */
export async function fresh<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.code !== "sign_in_again" || !(await ask())) throw error;
    return action();
  }
}

export function FreshDialog() {
  const t = useText();
  const client = useQueryClient();
  const open = useSyncExternalStore(
    (f) => (listeners.add(f), () => listeners.delete(f)),
    () => asked,
  );
  const { sign_in } = useSession();
  const [error, setError] = useState<unknown>();
  const end = (session?: Session) => {
    if (session) client.setQueryData(sessionKey, session);
    setError(undefined);
    settle(Boolean(session));
  };
  return (
    <Modal open={Boolean(open)} title={t("fresh")} onCancel={() => end()} footer={null} width={420} destroyOnHidden>
      <p style={{ marginTop: 0 }}>{t("freshHint")}</p>
      <ApiForm
        onSubmit={async (v: { proof: string }) => {
          const code = /^[\d\s-]{6,9}$/.test(v.proof);
          end(await ok(api.POST("/api/v1/session/confirm", { body: code ? { code: v.proof } : { password: v.proof } })));
        }}
        footer={(busy) => (
          <div className="row">
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("freshGo")}
            </Button>
            {sign_in.passkey && passkeysWork() && (
              <Button icon={<KeyOutlined aria-hidden />} onClick={() => void signInByPasskey().then(end, setError)}>
                {t("freshPasskey")}
              </Button>
            )}
          </div>
        )}
      >
        <Form.Item name="proof" label={t("freshProof")} rules={[{ required: true }]}>
          <Input.Password autoComplete="current-password" />
        </Form.Item>
      </ApiForm>
      {error !== undefined && <Problem error={error} style={{ marginTop: 12 }} />}
    </Modal>
  );
}
