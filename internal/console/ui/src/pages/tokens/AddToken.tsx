import { Button, Checkbox, DatePicker, Form, Input, Modal, Radio } from "antd";
import dayjs, { type Dayjs } from "dayjs";
import { api, ok, type Schemas } from "@/api/client";
import { fresh } from "@/app/Fresh";
import { useSession } from "@/app/session";
import { ApiForm } from "@/kit";
import { grouped } from "@/kit/permissions";
import { useText } from "./texts";

interface Values {
  name: string;
  permissions: string[];
  days: number; // 0: until `until`
  until?: Dayjs;
}

const longest = 2; // years, as the API has it

/** Makes a token: what for, what it may do in words, how long. */
export function AddToken({ open, close, added }: { open: boolean; close: () => void; added: (token: Schemas["administration"]["NewApiToken"]) => void }) {
  const t = useText();
  const { permissions, scope, person } = useSession();
  const [form] = Form.useForm<Values>();
  const days = Form.useWatch("days", form);
  const groups = grouped(permissions.filter((p) => p !== "tokens.own"));
  const submit = async (v: Values) => {
    const end = v.days ? dayjs().add(v.days, "day") : v.until!.endOf("day");
    added(await fresh(() => ok(api.POST("/api/v1/tokens", { body: { name: v.name.trim(), permissions: v.permissions, expires_at: end.toISOString() } }))));
  };
  return (
    <Modal open={open} onCancel={close} title={t("add")} footer={null} width={600} destroyOnHidden>
      <p style={{ marginTop: 0 }}>{person?.role === "auditor" ? t("addHintAuditor") : t("addHint", { whose: t.any(`whose.${scope}`) })}</p>
      <ApiForm<Values>
        form={form}
        preserve={false}
        initialValues={{ days: 90, permissions: [] }}
        onSubmit={submit}
        footer={(busy) => (
          <Button type="primary" htmlType="submit" loading={busy}>
            {t("add")}
          </Button>
        )}
      >
        <Form.Item name="name" label={t("name")} rules={[{ required: true, whitespace: true, message: t("nameMissing") }]}>
          <Input maxLength={100} placeholder={t("example")} />
        </Form.Item>
        <Form.Item name="permissions" label={t("may")} rules={[{ required: true, message: t("mayMissing"), type: "array", min: 1 }]}>
          <Choices groups={groups} />
        </Form.Item>
        <Form.Item name="days" label={t("expires")}>
          <Radio.Group optionType="button" options={[...[7, 30, 90, 365].map((n) => ({ value: n, label: t("days", { n }) })), { value: 0, label: t("day") }]} />
        </Form.Item>
        {days === 0 && (
          <Form.Item name="until" label={t("until")} rules={[{ required: true, message: t("untilMissing") }]}>
            <DatePicker minDate={dayjs().add(1, "day")} maxDate={dayjs().add(longest, "year")} />
          </Form.Item>
        )}
      </ApiForm>
    </Modal>
  );
}

/** Permissions in words, in their groups. It takes no aria-required, which a group may not have. */
function Choices({ groups, id, value, onChange }: { groups: ReturnType<typeof grouped>; id?: string; value?: string[]; onChange?: (permissions: string[]) => void }) {
  const t = useText();
  return (
    <div id={id}>
      <Checkbox.Group value={value} onChange={onChange} style={{ display: "block" }}>
        {groups.map((g) => (
          <fieldset key={g.key} className="choices">
            <legend>{g.title[t.lang]}</legend>
            {g.own.map((p) => (
              <Checkbox key={p} value={p}>
                {g.permissions[p]![t.lang]}
              </Checkbox>
            ))}
          </fieldset>
        ))}
      </Checkbox.Group>
    </div>
  );
}
