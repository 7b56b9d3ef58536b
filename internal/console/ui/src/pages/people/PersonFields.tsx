// The inputs that adding and changing a person share.
import { Form, Input, Radio, Select, type FormInstance } from "antd";
import { useText } from "./texts";
import { roles, useRoles, useSees, type Role, type Scope } from "./words";

export interface PersonValues {
  email: string;
  name: string;
  role: Role;
  scope: Scope;
  language?: "zh" | "en";
  accounts: string[];
}

export function PersonFields({ form, own, adding }: { form: FormInstance<PersonValues>; own?: boolean; adding?: boolean }) {
  const t = useText();
  const sees = useSees();
  const known = useRoles();
  const role = Form.useWatch("role", form) ?? form.getFieldValue("role");
  const scope = Form.useWatch("scope", form) ?? form.getFieldValue("scope");
  const email = Form.useWatch("email", form) ?? "";
  const accounts = Form.useWatch("accounts", form) ?? [];
  const scopes = known.data?.items.find((r) => r.name === role)?.scopes ?? (scope ? [scope] : []);
  return (
    <>
      {adding && (
        <Form.Item name="email" label={t("email")} rules={[{ required: true, whitespace: true, message: t("emailMissing") }]}>
          <Input type="email" inputMode="email" maxLength={254} autoComplete="off" placeholder="li.na@example.com" />
        </Form.Item>
      )}
      <Form.Item name="name" label={t("name")} rules={[{ required: true, whitespace: true, message: t("nameMissing") }]}>
        <Input maxLength={200} autoComplete="off" />
      </Form.Item>
      <Form.Item name="role" required label={t("role")} help={own ? t("ownRole") : undefined} style={{ marginBottom: 18 }}>
        <Radio.Group
          disabled={own}
          style={{ display: "grid", gap: 8 }}
          onChange={(e) => {
            const usual = known.data?.items.find((r) => r.name === e.target.value)?.scopes[0];
            if (usual) form.setFieldValue("scope", usual);
          }}
          options={roles.map((r) => ({
            value: r,
            label: (
              <>
                <strong>{t(`role.${r}`)}</strong>
                <span className="muted small" style={{ display: "block" }}>
                  {t(`roleHint.${r}`)}
                </span>
              </>
            ),
          }))}
        />
      </Form.Item>
      <Form.Item name="scope" required label={t("scope")} extra={scope && t("seesHint", { what: sees({ role, scope, accounts: accounts.length ? accounts : email ? [email] : [] }) })}>
        <Select disabled={own || scopes.length < 2} options={scopes.map((s) => ({ value: s, label: t(`scope.${s}`) }))} />
      </Form.Item>
      <Form.Item name="accounts" label={t("accounts")} extra={t("accountsHint")}>
        <Select mode="tags" open={false} suffixIcon={null} tokenSeparators={[",", " ", ";", "，", "；"]} />
      </Form.Item>
      <Form.Item name="language" label={t("language")}>
        <Select
          allowClear
          placeholder={t("asBrowser")}
          options={[
            { value: "zh", label: "中文" },
            { value: "en", label: "English" },
          ]}
        />
      </Form.Item>
    </>
  );
}
