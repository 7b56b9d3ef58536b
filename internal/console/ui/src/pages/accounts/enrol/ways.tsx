// The ways by which an employee lets the gateway in.
import { ExportOutlined } from "@ant-design/icons";
import { Button, Form, Input, QRCode } from "antd";
import { useState, type ReactNode } from "react";
import { api, ok } from "@/api/client";
import { said } from "@/api/said";
import { ApiForm, Copy, Problem, Time } from "@/kit";
import type { Enrolment } from "./Enrol";
import { guideOf } from "./guide";
import { useText } from "./texts";

/** A button that does something once, and shows what went wrong below it. */
function Deed({ run, children, big = true }: { run: () => Promise<unknown>; children: ReactNode; big?: boolean }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const go = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await run();
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button type={big ? "primary" : "default"} size={big ? "large" : "middle"} block={big} loading={busy} onClick={() => void go()}>
        {children}
      </Button>
      {error !== undefined && <Problem error={error} style={{ marginTop: 12 }} />}
    </>
  );
}

const web = (url: string) => /^https?:\/\//.test(url);

export function ByBrowser({ token }: { token: string }) {
  const t = useText();
  const go = async () => {
    const { url } = await ok(api.POST("/api/v1/enrol/{token}/browser", { params: { path: { token } } }));
    if (web(url)) location.assign(url);
  };
  return (
    <>
      <p className="en-p">{t("browserHint")}</p>
      <Deed run={go}>{t("browser")}</Deed>
    </>
  );
}

export function ByCode({ token, enrolment: e, took }: { token: string; enrolment: Enrolment; took: () => void }) {
  const t = useText();
  const begin = async () => {
    await ok(api.POST("/api/v1/enrol/{token}/device", { params: { path: { token } } }));
    took();
  };
  if (!e.device) {
    return (
      <>
        <p className="en-p">{t("deviceHint")}</p>
        <Deed run={begin}>{t("device")}</Deed>
      </>
    );
  }
  return (
    <>
      <ol className="en-steps">
        <li>
          {web(e.device.url) ? (
            <a href={e.device.url} target="_blank" rel="noreferrer noopener">
              {t("openPage")} <ExportOutlined aria-hidden />
            </a>
          ) : (
            e.device.url
          )}
          <span className="muted"> {t("orScan")}</span>
          <div>
            <QRCode value={e.device.url} type="svg" size={132} color="#000000" bgColor="#ffffff" role="img" aria-label={t("qr")} />
          </div>
        </li>
        <li>
          {t("typeCode")}
          <div className="en-code">
            <code>{e.device.code}</code>
            <Copy text={e.device.code} label={t("copyCode")} />
          </div>
        </li>
        <li>{t("thenWait")}</li>
      </ol>
      <p className="small muted" role="status">
        {t.rich("waiting", { time: <Time at={e.device.expires_at} /> })}
      </p>
    </>
  );
}

export function ByPassword({ token, enrolment: e, took }: { token: string; enrolment: Enrolment; took: (next: Enrolment) => void }) {
  const t = useText();
  const { guide, url } = guideOf(e.preset);
  const steps = [1, 2, 3, 4].map((n) => t.any(`guide.${guide}.${n}`, "")).filter(Boolean);
  const submit = async (v: { password: string }) => took(await ok(api.POST("/api/v1/enrol/{token}/password", { params: { path: { token } }, body: { password: v.password.trim() } })));
  return (
    <>
      <h2 className="en-h2">{t("howTo")}</h2>
      <ol className="en-steps">
        {steps.map((s, i) => (
          <li key={s}>
            {s}
            {i === 0 && url && (
              <>
                {" "}
                <a href={url} target="_blank" rel="noreferrer noopener">
                  {new URL(url).host} <ExportOutlined aria-hidden />
                </a>
              </>
            )}
          </li>
        ))}
      </ol>
      {guide === "plain" && e.hint && <p className="muted en-p">{said(e.hint, t.lang)}</p>}
      <ApiForm<{ password: string }>
        onSubmit={submit}
        requiredMark={false}
        footer={(busy) => (
          <Button type="primary" htmlType="submit" size="large" block loading={busy}>
            {busy ? t("trying") : t("enrol")}
          </Button>
        )}
      >
        <Form.Item name="password" label={t("code")} extra={t("codeHint")} rules={[{ required: true, whitespace: true, message: t("codeMissing") }]}>
          <Input.Password size="large" autoComplete="off" maxLength={1000} />
        </Form.Item>
      </ApiForm>
    </>
  );
}

export function ByConfirming({ token, took }: { token: string; took: (next: Enrolment) => void }) {
  const t = useText();
  return (
    <>
      <p className="en-p">{t("confirmHint")}</p>
      <Deed run={async () => took(await ok(api.POST("/api/v1/enrol/{token}/password", { params: { path: { token } }, body: {} })))}>{t("enrol")}</Deed>
    </>
  );
}
