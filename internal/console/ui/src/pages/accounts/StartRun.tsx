import { Button, Checkbox, Form, Input, InputNumber, Modal, Radio, Select } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { ApiForm } from "@/kit";
import { useText } from "./texts";
import type { Detail } from "./words";

interface Values {
  kind: Schemas["operations"]["RunKind"];
  which: "inbox" | "all" | "some";
  mailboxes?: string[];
  since?: string;
  before?: string;
  limit?: number | null;
  dry_run?: boolean;
  fix?: boolean;
  password?: string;
}

/** Starts a backfill or a reconciliation. */
export function StartRun({ account: a }: { account: Detail }) {
  const t = useText();
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [form] = Form.useForm<Values>();
  const kind = Form.useWatch("kind", form) ?? "backfill";
  const which = Form.useWatch("which", form) ?? "inbox";
  const enrolled = a.enrolment.state === "enrolled" && a.enrolment.login === a.address;
  const submit = async (v: Values) => {
    const backfill = v.kind === "backfill";
    await ok(
      api.POST("/api/v1/accounts/{address}/runs", {
        params: { path: { address: a.address } },
        body: {
          kind: v.kind,
          all: v.which === "all" || undefined,
          mailboxes: v.which === "some" ? v.mailboxes : undefined,
          since: v.since || undefined,
          before: v.before || undefined,
          limit: v.limit || undefined,
          dry_run: (backfill && v.dry_run) || undefined,
          fix: (!backfill && v.fix) || undefined,
          password: v.password || undefined,
        },
      }),
    );
    setOpen(false);
    await client.invalidateQueries({ queryKey: ["accounts", "one", a.address] });
  };
  return (
    <>
      <Button onClick={() => setOpen(true)} aria-haspopup="dialog">
        {t("startRun")}
      </Button>
      <Modal open={open} onCancel={() => setOpen(false)} title={t("startRun")} footer={null} width={520} destroyOnHidden>
        <ApiForm<Values>
          form={form}
          preserve={false}
          initialValues={{ kind: "backfill", which: "inbox" }}
          onSubmit={submit}
          requiredMark={false}
          footer={(busy) => (
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("start")}
            </Button>
          )}
        >
          <Form.Item name="kind" label={t("runKind")} extra={t(`runHint.${kind}`)}>
            <Radio.Group options={(["backfill", "reconcile"] as const).map((k) => ({ value: k, label: t(`run.${k}`) }))} optionType="button" />
          </Form.Item>
          <Form.Item name="which" label={t("mailboxes")}>
            <Radio.Group options={(["inbox", "all", "some"] as const).map((k) => ({ value: k, label: t(`which.${k}`) }))} />
          </Form.Item>
          {which === "some" && (
            <Form.Item name="mailboxes" label={t("mailboxNames")} rules={[{ required: true, message: t("mailboxMissing") }]}>
              <Select mode="tags" options={[...new Set(a.mailboxes.map((b) => b.name))].map((n) => ({ value: n, label: t.any(`folder.${n.toLowerCase()}`, n) }))} />
            </Form.Item>
          )}
          <div className="ac-dates">
            <Form.Item name="since" label={t("since")}>
              <Input type="date" />
            </Form.Item>
            <Form.Item name="before" label={t("before")}>
              <Input type="date" />
            </Form.Item>
            <Form.Item name="limit" label={t("atMost")}>
              <InputNumber min={1} precision={0} style={{ width: "100%" }} />
            </Form.Item>
          </div>
          {kind === "backfill" ? (
            <Form.Item name="dry_run" valuePropName="checked">
              <Checkbox>{t("dryRun")}</Checkbox>
            </Form.Item>
          ) : (
            <Form.Item name="fix" valuePropName="checked">
              <Checkbox>{t("fix")}</Checkbox>
            </Form.Item>
          )}
          {!enrolled && (
            <Form.Item name="password" label={t("password")} extra={t("passwordHint")} rules={[{ required: true, message: t("passwordMissing") }]}>
              <Input.Password className="ac-secret" autoComplete="off" maxLength={1000} />
            </Form.Item>
          )}
        </ApiForm>
      </Modal>
    </>
  );
}
