// What a one-time link opens: the first administrator, or a password for somebody who was invited.
import { Button, Form, Input } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useNavigate } from "react-router";
import { api, ok } from "@/api/client";
import { Gate } from "@/app/Gate";
import { useTakeSession } from "@/app/session";
import { ApiForm, Async, Time } from "@/kit";
import { useLang } from "@/lang";
import { useText } from "./texts";

interface Values {
  email?: string;
  name?: string;
  password: string;
  again: string;
}

export default function SetUp() {
  const t = useText();
  const lang = useLang();
  const go = useNavigate();
  const take = useTakeSession();
  // Behind the #, so that it is in no log; and gone from the address once it is read, so that it is in no history.
  const [token] = useState(() => location.hash.slice(1));
  useEffect(() => window.history.replaceState(window.history.state, "", location.pathname), []);
  const [used, setUsed] = useState(false);
  const link = useQuery({
    queryKey: ["setup", token],
    queryFn: () => ok(api.POST("/api/v1/session/setup/check", { body: { token } })),
    retry: false,
    enabled: !used, // a link that was used is no link any more
  });
  const submit = async ({ email, name, password }: Values) => {
    const session = await ok(api.POST("/api/v1/session/setup", { body: { token, email: email?.trim(), name: name?.trim(), password, language: lang } }));
    setUsed(true);
    take(session);
    void go(session.signed_in ? "/me/security" : "/sign-in", { replace: true });
  };
  return (
    <Gate>
      <Async query={link}>
        {(l) => (
          <>
            <h1>{l.kind === "first_admin" ? t("first") : t("invited", { name: l.name ?? l.email ?? "" })}</h1>
            <p>
              {l.kind === "first_admin" ? t("firstHint") : t("invitedHint", { email: l.email ?? "" })} {t.rich("until", { time: <Time at={l.expires_at} /> })}
            </p>
            <ApiForm<Values>
              onSubmit={submit}
              requiredMark={false}
              footer={(busy) => (
                <Button type="primary" htmlType="submit" size="large" block loading={busy}>
                  {t("go")}
                </Button>
              )}
            >
              {l.kind === "first_admin" ? (
                <>
                  <Form.Item name="name" label={t("name")} rules={[{ required: true, whitespace: true, message: t("nameMissing") }]}>
                    <Input size="large" autoComplete="name" maxLength={200} />
                  </Form.Item>
                  <Form.Item name="email" label={t("email")} rules={[{ required: true, whitespace: true, message: t("emailMissing") }]}>
                    <Input size="large" inputMode="email" autoComplete="username" autoCapitalize="none" spellCheck={false} maxLength={254} />
                  </Form.Item>
                </>
              ) : (
                <input type="hidden" autoComplete="username" value={l.email ?? ""} readOnly />
              )}
              <Form.Item name="password" label={t("password")} extra={t("passwordHint")} rules={[{ required: true, min: 12, message: t("passwordShort") }]}>
                <Input.Password size="large" autoComplete="new-password" maxLength={1024} />
              </Form.Item>
              <Form.Item
                name="again"
                label={t("again")}
                dependencies={["password"]}
                rules={[
                  ({ getFieldValue }) => ({
                    validator: (_, v) => (v === getFieldValue("password") ? Promise.resolve() : Promise.reject(new Error(t("different")))),
                  }),
                ]}
              >
                <Input.Password size="large" autoComplete="new-password" maxLength={1024} />
              </Form.Item>
            </ApiForm>
          </>
        )}
      </Async>
    </Gate>
  );
}
