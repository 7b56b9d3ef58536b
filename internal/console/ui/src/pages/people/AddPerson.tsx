import { Button, Checkbox, Form, Modal } from "antd";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { fresh } from "@/app/Fresh";
import { ApiForm, Problem, useSave } from "@/kit";
import { InvitationDialog } from "./Invitation";
import { PersonFields, type PersonValues } from "./PersonFields";
import { useText } from "./texts";

type Invitation = Schemas["administration"]["Invitation"];

export const invite = (id: string) => fresh(() => ok(api.POST("/api/v1/people/{id}/invitation", { params: { path: { id } } })));

/** Adds a person, and makes the link with which they set a password. */
export function AddPerson({ open, close }: { open: boolean; close: () => void }) {
  const t = useText();
  const [form] = Form.useForm<PersonValues & { link: boolean }>();
  const [made, setMade] = useState<{ name: string; invitation?: Invitation; error?: unknown }>();
  const save = useSave({
    save: (v: PersonValues) =>
      ok(
        api.POST("/api/v1/people", {
          body: { email: v.email.trim(), name: v.name.trim(), role: v.role, scope: v.scope, language: v.language, ...(v.accounts?.length && { accounts: v.accounts }) },
        }),
      ),
    invalidates: [["people"]],
  });
  const submit = async (v: PersonValues & { link: boolean }) => {
    const person = await save.mutateAsync(v);
    close();
    if (!v.link) return;
    // The person exists now, whatever becomes of the link: it can be made again from the person's page.
    await invite(person.id).then(
      (invitation) => setMade({ name: person.name, invitation }),
      (error: unknown) => setMade({ name: person.name, error }),
    );
  };
  return (
    <>
      <Modal open={open} onCancel={close} title={t("add")} footer={null} width={520} destroyOnHidden>
        <ApiForm
          form={form as never}
          preserve={false}
          initialValues={{ role: "agent", scope: "own", link: true }}
          onSubmit={submit}
          footer={(busy) => (
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("add")}
            </Button>
          )}
        >
          <PersonFields form={form as never} adding />
          <Form.Item name="link" valuePropName="checked" extra={t("linkHint")}>
            <Checkbox>{t("makeLink")}</Checkbox>
          </Form.Item>
        </ApiForm>
      </Modal>
      <InvitationDialog name={made?.name ?? ""} invitation={made?.invitation} close={() => setMade(undefined)} />
      <Modal open={made?.error !== undefined} onCancel={() => setMade(undefined)} footer={null} title={t("noLink")}>
        <p style={{ marginTop: 0 }}>{t("noLinkHint")}</p>
        <Problem error={made?.error} />
      </Modal>
    </>
  );
}
