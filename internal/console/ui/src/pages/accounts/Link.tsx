import { Alert, Button, Checkbox, Form, Input, Modal, QRCode, Select } from "antd";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { ApiForm, Copy, Time } from "@/kit";
import { useText } from "./texts";
import type { Detail } from "./words";

type Made = Schemas["operations"]["EnrolmentLink"];
interface Values {
  valid_hours: number;
  programs: boolean;
  login?: string;
}

/** The gateway tells a path where it does not know its own address; this browser does. */
const absolute = (url: string) => (url.startsWith("/") ? location.origin + url : url);

/** Makes the link by which an employee lets the gateway sign in, and shows it once. */
export function LinkButton({ account: a, made }: { account: Detail; made: () => void }) {
  const t = useText();
  const [open, setOpen] = useState(false);
  const [link, setLink] = useState<Made>();
  const close = () => {
    setOpen(false);
    setLink(undefined);
  };
  const submit = async (v: Values) => {
    setLink(await ok(api.POST("/api/v1/accounts/{address}/enrolment-link", { params: { path: { address: a.address } }, body: { ...v, login: v.login?.trim() || undefined } })));
    made();
  };
  return (
    <>
      <Button type={a.enrolment.state === "enrolled" ? "default" : "primary"} onClick={() => setOpen(true)} aria-haspopup="dialog">
        {t(a.enrolment.state === "none" ? "makeLink" : "makeNewLink")}
      </Button>
      <Modal open={open} onCancel={close} title={t("makeLink")} footer={null} width={520} destroyOnHidden mask={{ closable: !link }}>
        {link ? (
          <Shown link={link} close={close} />
        ) : (
          <>
            <p style={{ marginTop: 0 }}>{t("linkHint", { name: a.name || a.address })}</p>
            <ApiForm<Values>
              initialValues={{ valid_hours: 72, programs: true }}
              onSubmit={submit}
              footer={(busy) => (
                <Button type="primary" htmlType="submit" loading={busy}>
                  {t("makeLink")}
                </Button>
              )}
            >
              <Form.Item name="valid_hours" label={t("validFor")}>
                <Select options={[24, 72, 168, 336].map((n) => ({ value: n, label: t("days", { n: n / 24 }) }))} />
              </Form.Item>
              <Form.Item name="programs" valuePropName="checked" extra={t("programsHint")}>
                <Checkbox>{t("withPrograms")}</Checkbox>
              </Form.Item>
              <Form.Item name="login" label={t("otherLogin")} extra={t("otherLoginHint")}>
                <Input maxLength={254} autoCapitalize="none" spellCheck={false} placeholder={a.address} />
              </Form.Item>
            </ApiForm>
          </>
        )}
      </Modal>
    </>
  );
}

function Shown({ link, close }: { link: Made; close: () => void }) {
  const t = useText();
  const url = absolute(link.url);
  return (
    <div className="stack">
      <Alert type="warning" showIcon title={t("linkOnce")} />
      <div className="ac-link">
        <QRCode value={url} type="svg" size={168} color="#000000" bgColor="#ffffff" role="img" aria-label={t("qr")} />
        <div className="stack" style={{ minWidth: 0 }}>
          <div className="row" style={{ flexWrap: "nowrap" }}>
            <code className="ac-any">{url}</code>
            <Copy text={url} label={t("copyLink")} />
          </div>
          <div className="small muted">
            {t.rich("linkFor", { name: link.address, time: <Time at={link.expires_at} show="exact" /> })}
            <br />
            {t("linkWays", { ways: link.ways.map((w) => t(`way.${w}`)).join(t.lang === "zh" ? "、" : ", ") })}
          </div>
        </div>
      </div>
      <div>
        <Button type="primary" onClick={close}>
          {t("linkSent")}
        </Button>
      </div>
    </div>
  );
}
