// Putting the draft in force: in shadow first, live, or live with the first mails approved.
import { Alert, Button, Input, InputNumber, Modal } from "antd";
import { useId, useState } from "react";
import { App } from "antd";
import { api, versioned, type Schemas } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import { Problem } from "@/kit";
import type { Loaded } from "./Design";
import { useText } from "../texts";

const ways = ["shadow", "first", "live"] as const;
type Way = (typeof ways)[number];

export function Publish({ rule, errors, save, unsaved, etag, took, close }: { rule: Schemas["automation"]["Rule"]; errors: number; save: () => Promise<Loaded>; unsaved: boolean; etag: string; took: (l: Loaded) => void; close: () => void }) {
  const t = useText();
  const id = useId();
  const { message } = App.useApp();
  const [way, setWay] = useState<Way>("shadow");
  const [first, setFirst] = useState(5);
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const publish = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const match = unsaved ? (await save()).etag : etag;
      const { data, etag: next } = await versioned(
        api.POST("/api/v1/rules/{id}/publish", {
          params: { path: { id: rule.id }, header: { "If-Match": match } },
          body: { state: way === "shadow" ? "shadow" : "live", ...(note.trim() && { note: note.trim() }), ...(way === "first" && { first_need_approval: first }) },
        }),
      );
      took({ data: data.rule, etag: next });
      void message.success(t(way === "shadow" ? "nowShadow" : "nowLive", { version: data.rule.version }));
      close();
    } catch (e) {
      // A conflict of saving has a dialog of its own.
      if (e instanceof ApiProblem && e.status === 412 && unsaved) close();
      else setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      open
      title={t("publishTitle", { name: rule.name })}
      width={560}
      onCancel={() => !busy && close()}
      footer={
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={close} disabled={busy}>
            {t("cancel")}
          </Button>
          <Button type="primary" loading={busy} disabled={errors > 0} onClick={() => void publish()}>
            {t(way === "shadow" ? "publishShadow" : "publishLive")}
          </Button>
        </div>
      }
    >
      {errors > 0 && <Alert type="error" showIcon title={t("errorsBlock", { n: errors })} style={{ marginBottom: 12 }} />}
      <div className="rd-choices" role="radiogroup" aria-label={t("publish")}>
        {ways.map((w) => (
          <label key={w} data-checked={way === w || undefined}>
            <input type="radio" name={id} value={w} checked={way === w} onChange={() => setWay(w)} />
            <span>
              <strong>{t(`way.${w}`)}</strong>
              {w === "shadow" && <em>{t("recommended")}</em>}
              <small>{t(`wayHint.${w}`)}</small>
              {w === "first" && way === "first" && (
                <span className="row">
                  {t("firstN")} <InputNumber size="small" aria-label={t("firstN")} min={1} max={1000} precision={0} value={first} onChange={(n) => n && setFirst(n)} /> {t("mails")}
                </span>
              )}
            </span>
          </label>
        ))}
      </div>
      <label htmlFor={`${id}-note`} style={{ display: "block", margin: "16px 0 4px" }}>
        {t("note")} <span className="muted">{t("optional")}</span>
      </label>
      <Input id={`${id}-note`} value={note} maxLength={1000} onChange={(e) => setNote(e.target.value)} placeholder={t("noteExample")} />
      {error !== undefined && <Problem error={error} style={{ marginTop: 12 }} />}
    </Modal>
  );
}
