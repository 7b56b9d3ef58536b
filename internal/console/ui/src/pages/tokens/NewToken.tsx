import { Alert, Modal } from "antd";
import type { Schemas } from "@/api/client";
import { Copy } from "@/kit";
import { permissionWords } from "@/kit/permissions";
import { useText } from "./texts";

// A first request that the token may make, by what it may do.
const tries: [string, string][] = [
  ["mail.read", "/api/v1/messages?limit=5"],
  ["contacts.read", "/api/v1/customers?limit=5"],
  ["rules.read", "/api/v1/rules"],
  ["overview.read", "/api/v1/overview"],
  ["queue.read", "/api/v1/queue"],
  ["audit.read", "/api/v1/audit?limit=5"],
  ["people.read", "/api/v1/people"],
];

/** Shows a new token, once, and how it is used. */
export function NewToken({ made, close }: { made?: Schemas["administration"]["NewApiToken"]; close: () => void }) {
  const t = useText();
  const path = tries.find(([p]) => made?.token.permissions.includes(p))?.[1] ?? "/api/v1/me";
  const curl = `curl -H "Authorization: Bearer ${made?.secret ?? ""}" \\\n  "${location.origin}${path}"`;
  return (
    <Modal open={Boolean(made)} title={t("made")} onCancel={close} onOk={close} okText={t("kept")} cancelButtonProps={{ style: { display: "none" } }} mask={{ closable: false }} width={640}>
      <Alert type="warning" showIcon title={t("madeHint")} style={{ marginBottom: 12 }} />
      <Snippet label={t("token")} text={made?.secret ?? ""} />
      <Snippet label={t("tryIt")} text={curl} />
      <p className="muted small" style={{ marginBottom: 0 }}>
        {t("madeMay", { what: made?.token.permissions.map((p) => permissionWords(p, t.lang)).join(t("comma")) ?? "" })}
      </p>
    </Modal>
  );
}

function Snippet({ label, text }: { label: string; text: string }) {
  return (
    <div className="snippet">
      <span className="small muted">{label}</span>
      <Copy text={text} label={label} />
      <pre className="mono">{text}</pre>
    </div>
  );
}
