// Signing in: with the own mailbox, a local account, a passkey or the company's account; then the second factor.
import { KeyOutlined, LoginOutlined } from "@ant-design/icons";
import { Button, Form, Input, Segmented } from "antd";
import { useState } from "react";
import { Navigate, useSearchParams } from "react-router";
import { api, ok } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import { Gate } from "@/app/Gate";
import { passkeysWork, signInByPasskey } from "@/app/passkey";
import { useSessionQuery, useTakeSession, type Session } from "@/app/session";
import { ApiForm, Async, Problem } from "@/kit";
import { useText } from "./texts";

/** A page of ours to go to afterwards; nothing else is one. */
function safe(path: string | null): string {
  return path && /^\/(?![/\\])/.test(path) ? path : "/";
}

export default function SignIn() {
  const [params] = useSearchParams();
  const back = safe(params.get("return"));
  const query = useSessionQuery();
  if (query.data?.signed_in) return <Navigate to={back} replace />;
  return (
    <Gate>
      <Async query={query}>{(s) => <Step session={s} back={back} error={params.get("error")} />}</Async>
    </Gate>
  );
}

function Step({ session, back, error }: { session: Session; back: string; error: string | null }) {
  const t = useText();
  if (!session.set_up) {
    return (
      <>
        <h1>{t("noAdmin")}</h1>
        <p>{t("noAdminHint")}</p>
        <pre className="mono small" style={{ whiteSpace: "pre-wrap", margin: 0 }}>
          heliograph person setup-link
        </pre>
      </>
    );
  }
  if (session.step === "second_factor") return <SecondFactor session={session} />;
  return <FirstFactor session={session} back={back} error={error} />;
}

interface Values {
  address: string;
  password: string;
}

const lastWay = "heliograph.sign-in";

function FirstFactor({ session: { sign_in: ways }, back, error }: { session: Session; back: string; error: string | null }) {
  const t = useText();
  const take = useTakeSession();
  const [problem, setProblem] = useState<unknown>(error ? new ApiProblem({ status: 0, code: error, detail: t("refused") }) : undefined);
  const [busy, setBusy] = useState(false);
  const [way, setWay] = useState<"mailbox" | "password">(() => {
    const last = localStorage.getItem(lastWay);
    if (last === "password" && ways.password) return "password";
    return ways.mailbox ? "mailbox" : "password";
  });
  const passkey = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      take(await signInByPasskey());
    } catch (e) {
      setProblem(e);
    } finally {
      setBusy(false);
    }
  };
  const signIn = async (v: Values) => {
    setProblem(undefined);
    const session = await ok(api.POST("/api/v1/session", { body: { address: v.address.trim(), password: v.password, with: way } }));
    localStorage.setItem(lastWay, way);
    take(session);
  };
  const withPasskey = ways.passkey && passkeysWork();
  const form = ways.password || ways.mailbox;
  return (
    <>
      <h1>{t("title")}</h1>
      <p>{t("hint")}</p>
      {problem !== undefined && <Problem error={problem} style={{ marginBottom: 16 }} />}
      {ways.oidc.map((o) => (
        <Button key={o.name} block size="large" icon={<LoginOutlined aria-hidden />} href={`/api/v1/sign-in/oidc/${encodeURIComponent(o.name)}?return=${encodeURIComponent(back)}`} style={{ marginBottom: 8 }}>
          {o.label}
        </Button>
      ))}
      {ways.oidc.length > 0 && form && <div className="or">{t("or")}</div>}
      {ways.password && ways.mailbox && (
        <Segmented
          block
          aria-label={t("way")}
          value={way}
          onChange={setWay}
          options={[
            { value: "mailbox", label: t("way.mailbox") },
            { value: "password", label: t("way.password") },
          ]}
          style={{ marginBottom: 16 }}
        />
      )}
      {form && (
        <ApiForm<Values>
          onSubmit={signIn}
          requiredMark={false}
          footer={(b) => (
            <Button type="primary" htmlType="submit" size="large" block loading={b}>
              {t("go")}
            </Button>
          )}
        >
          <Form.Item name="address" label={t("address")} rules={[{ required: true, whitespace: true, message: t("addressMissing") }]}>
            {/* eslint-disable-next-line jsx-a11y/no-autofocus -- the page is nothing but this form */}
            <Input size="large" inputMode="email" autoComplete="username webauthn" autoCapitalize="none" spellCheck={false} autoFocus maxLength={254} />
          </Form.Item>
          <Form.Item name="password" label={way === "mailbox" ? t("mailboxPassword") : t("password")} extra={way === "mailbox" ? t("mailboxHint") : undefined} rules={[{ required: true, message: t("passwordMissing") }]}>
            <Input.Password size="large" autoComplete="current-password" maxLength={1024} />
          </Form.Item>
        </ApiForm>
      )}
      {withPasskey && (
        <>
          {form && <div className="or">{t("or")}</div>}
          <Button block size="large" icon={<KeyOutlined aria-hidden />} loading={busy} onClick={() => void passkey()}>
            {t("passkey")}
          </Button>
        </>
      )}
    </>
  );
}

function SecondFactor({ session }: { session: Session }) {
  const t = useText();
  const take = useTakeSession();
  const kinds = session.second_factors ?? [];
  const [recovery, setRecovery] = useState(!kinds.includes("totp") && !kinds.includes("passkey"));
  const [problem, setProblem] = useState<unknown>();
  const finish = async (v: { code: string }) => take(await ok(api.POST("/api/v1/session/totp", { body: { code: v.code.trim() } })));
  const startOver = () => void api.DELETE("/api/v1/session").finally(() => take(undefined));
  const typed = kinds.includes("totp") || recovery;
  return (
    <>
      <h1>{t("second")}</h1>
      <p>{recovery ? t("recoveryHint") : typed ? t("totpHint") : t("passkeyHint")}</p>
      {problem !== undefined && <Problem error={problem} style={{ marginBottom: 16 }} />}
      {typed && (
        <ApiForm
          key={String(recovery)}
          onSubmit={finish}
          requiredMark={false}
          footer={(b) => (
            <Button type="primary" htmlType="submit" size="large" block loading={b}>
              {t("go")}
            </Button>
          )}
        >
          <Form.Item name="code" label={recovery ? t("recoveryCode") : t("totpCode")} rules={[{ required: true, whitespace: true, message: t("codeMissing") }]}>
            <Input
              size="large"
              className="mono"
              inputMode={recovery ? "text" : "numeric"}
              autoComplete="one-time-code"
              autoCapitalize="none"
              spellCheck={false}
              // eslint-disable-next-line jsx-a11y/no-autofocus -- the page is nothing but this form
              autoFocus
              maxLength={40}
            />
          </Form.Item>
        </ApiForm>
      )}
      {kinds.includes("passkey") && passkeysWork() && (
        <Button block size="large" icon={<KeyOutlined aria-hidden />} style={{ marginTop: 12 }} onClick={() => void signInByPasskey().then(take, setProblem)}>
          {t("passkey")}
        </Button>
      )}
      <div className="row" style={{ justifyContent: "space-between", marginTop: 14 }}>
        <Button type="link" style={{ padding: 0 }} onClick={startOver}>
          {t("startOver")}
        </Button>
        {kinds.includes("recovery_code") && (
          <Button type="link" style={{ padding: 0 }} onClick={() => setRecovery(!recovery)}>
            {recovery ? t("useApp") : t("useRecovery")}
          </Button>
        )}
      </div>
    </>
  );
}
