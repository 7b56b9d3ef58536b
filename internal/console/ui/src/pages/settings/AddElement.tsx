import { Button, Form, Input, Modal } from "antd";
import { useId, useState } from "react";
import { useDraft } from "./draft";
import { SettingInput } from "./inputs";
import { useText } from "./texts";
import { schemaAt, unset, type Setting } from "./tree";
import { useWords } from "./words";

/** Asks for a new element of a list; it joins the changes, and is written with them. */
export function AddElement({ list, close }: { list: Setting; close: () => void }) {
  const t = useText();
  const words = useWords();
  const { schema, setDraft } = useDraft();
  const key = `${list.key ?? list.path}[]`;
  const keys = unset(schemaAt(schema, key), "", key)
    .map((n) => n.setting)
    .map((s) => ({ ...s, name: s.path, key: s.key }));
  const [values, setValues] = useState<Record<string, unknown>>({});
  const [secrets, setSecrets] = useState<Record<string, string>>({});
  const [further, setFurther] = useState("");
  const [missing, setMissing] = useState(false);
  const first = keys.filter((s) => s.type !== "section" && !(s.type === "list" && s.element === "section"));
  const submit = () => {
    const value: Record<string, unknown> = {};
    for (const [k, v] of Object.entries(values)) if (v !== null && v !== "" && v !== undefined) value[k] = v;
    for (const line of further.split("\n")) {
      const m = /^\s*([\w.]+)\s*[:：]\s*(.+?)\s*$/.exec(line);
      if (m) value[m[1]!] = m[2];
    }
    if (!Object.keys(value).length) return setMissing(true);
    setDraft((d) => ({ ...d, added: [...d.added, { path: list.path, value, secrets: Object.fromEntries(Object.entries(secrets).filter(([, v]) => v)) }] }));
    close();
  };
  return (
    <Modal open onCancel={close} title={t("addTo", { list: words.label(list) })} footer={null} width={640}>
      <p className="muted" style={{ marginTop: 0 }}>
        {t("addHint")}
      </p>
      <Form layout="vertical" onFinish={submit} requiredMark={false}>
        {first.map((s) => (
          <Field key={s.name} setting={s} name={s.name}>
            {(id, help) =>
              s.type === "secret" ? (
                <Input.Password id={id} autoComplete="new-password" value={secrets[s.name] ?? ""} onChange={(e) => setSecrets((was) => ({ ...was, [s.name]: e.target.value }))} />
              ) : (
                <SettingInput id={id} name={words.label(s)} kind={s.type} element={s.element} options={s.enum} value={s.name in values ? values[s.name] : s.default} fallback={s.default} described={help} change={(v) => setValues((was) => ({ ...was, [s.name]: v }))} />
              )
            }
          </Field>
        ))}
        {list.path === "targets" && (
          <Form.Item label={t("further")} htmlFor="further" extra={t("furtherHint")}>
            <Input.TextArea id="further" className="mono" autoSize={{ minRows: 2, maxRows: 8 }} value={further} onChange={(e) => setFurther(e.target.value)} placeholder="url: https://crm.example.com" />
          </Form.Item>
        )}
        {missing && <p className="mistake" role="alert">{t("addMissing")}</p>}
        <Button type="primary" htmlType="submit">
          {t("addToChanges")}
        </Button>
      </Form>
    </Modal>
  );
}

function Field({ setting, children }: { setting: Setting; name: string; children: (id: string, help?: string) => React.ReactNode }) {
  const words = useWords();
  const id = useId();
  const help = words.help(setting);
  return (
    <Form.Item label={words.label(setting)} htmlFor={id} extra={help && <span id={`${id}-help`}>{help}</span>}>
      {children(id, help ? `${id}-help` : undefined)}
    </Form.Item>
  );
}
