import { UserSwitchOutlined } from "@ant-design/icons";
import { AutoComplete, Button, Form, Input, Modal, type ButtonProps } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { ApiForm } from "@/kit";
import { useText } from "./texts";

interface Values {
  to: string;
  comment?: string;
}

/** Hands the vote to a colleague; the hash goes along, so that it is about what was seen. */
export function DelegateButton({ approval: a, done }: { approval: Schemas["automation"]["Approval"]; done: () => void }) {
  const t = useText();
  const may = useMay();
  const [open, setOpen] = useState(false);
  const rules = useQuery({ queryKey: ["rules", "vocabulary"], queryFn: ({ signal }) => ok(api.GET("/api/v1/rules/vocabulary", { signal })), staleTime: 600_000, enabled: open && may("rules.read") });
  const known = [...new Set((rules.data?.roles ?? []).flatMap((r) => r.members))].filter((m) => !a.approvers.some((v) => v.person === m));
  const submit = async (v: Values) => {
    await ok(api.POST("/api/v1/approvals/{approval}/delegate", { params: { path: { approval: a.id } }, body: { to: v.to.trim(), hash: a.hash, ...(v.comment?.trim() && { comment: v.comment.trim() }) } }));
    setOpen(false);
    done();
  };
  return (
    <>
      <Button {...({ "data-do": "delegate" } as ButtonProps)} size="large" icon={<UserSwitchOutlined aria-hidden />} onClick={() => setOpen(true)} aria-haspopup="dialog">
        {t("delegate")}
      </Button>
      <Modal open={open} title={t("delegate.title")} onCancel={() => setOpen(false)} footer={null} width={460} destroyOnHidden>
        <p style={{ marginTop: 0 }}>{t("delegate.text")}</p>
        <ApiForm<Values>
          onSubmit={submit}
          footer={(busy) => (
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("delegate")}
            </Button>
          )}
        >
          <Form.Item name="to" label={t("delegate.to")} rules={[{ required: true, type: "email", message: t("delegate.missing") }]}>
            <AutoComplete options={known.map((m) => ({ value: m }))} showSearch={{ filterOption: true }}>
              <Input type="email" maxLength={320} />
            </AutoComplete>
          </Form.Item>
          <Form.Item name="comment" label={t("delegate.comment")}>
            <Input.TextArea autoSize={{ minRows: 2, maxRows: 6 }} maxLength={2000} />
          </Form.Item>
        </ApiForm>
      </Modal>
    </>
  );
}
