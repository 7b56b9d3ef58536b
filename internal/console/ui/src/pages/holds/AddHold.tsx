import { PauseOutlined } from "@ant-design/icons";
import { Button, Form, Input, Modal, Select } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { ApiForm } from "@/kit";
import { useText } from "./texts";
import { useRuleNames } from "./useRuleNames";

interface Values {
  name: string;
  reason: string;
}

/** Holds one rule, or mail of rules to one domain. */
export function AddHold({ scope, held }: { scope: "rule" | "domain"; held: Schemas["automation"]["Hold"][] }) {
  const t = useText();
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const rules = useRuleNames();
  const free = (rules.data?.items ?? []).filter((r) => (r.state === "live" || r.state === "shadow") && !held.some((h) => h.scope === "rule" && h.name === r.id));
  const submit = async (v: Values) => {
    await ok(api.POST("/api/v1/holds", { body: { scope, name: v.name.trim().replace(/^@/, ""), reason: v.reason.trim() } }));
    setOpen(false);
    await Promise.all([client.invalidateQueries({ queryKey: ["holds"] }), client.invalidateQueries({ queryKey: ["rules"] }), client.invalidateQueries({ queryKey: ["outbox"] })]);
  };
  return (
    <>
      <Button size="small" icon={<PauseOutlined aria-hidden />} onClick={() => setOpen(true)} aria-haspopup="dialog">
        {t(`add.${scope}`)}
      </Button>
      <Modal open={open} title={t(`add.${scope}`)} onCancel={() => setOpen(false)} footer={null} width={480} destroyOnHidden>
        <p style={{ marginTop: 0 }}>{t(`add.${scope}.hint`)}</p>
        <ApiForm<Values>
          onSubmit={submit}
          footer={(busy) => (
            <Button type="primary" danger htmlType="submit" loading={busy}>
              {t(`add.${scope}`)}
            </Button>
          )}
        >
          <Form.Item name="name" label={t(`name.${scope}`)} rules={[{ required: true, message: t(`name.${scope}.missing`) }]}>
            {scope === "rule" ? <Select showSearch={{ optionFilterProp: "label" }} options={free.map((r) => ({ value: r.id, label: r.name ?? r.id }))} /> : <Input maxLength={255} placeholder="example.com" />}
          </Form.Item>
          <Form.Item name="reason" label={t("reason")} rules={[{ required: true, whitespace: true, message: t("reason.missing") }]}>
            <Input.TextArea autoSize={{ minRows: 2, maxRows: 6 }} maxLength={500} />
          </Form.Item>
        </ApiForm>
      </Modal>
    </>
  );
}
