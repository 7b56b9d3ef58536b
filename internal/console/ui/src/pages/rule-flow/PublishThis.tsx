// Puts the draft that was tried in force.
import { RocketOutlined } from "@ant-design/icons";
import { InputNumber, Radio } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, versioned } from "@/api/client";
import { useMay } from "@/app/session";
import { ConfirmAction } from "@/kit";
import { useText } from "./texts";
import { useRule } from "./useRule";

/** version: what was tried. Only a draft can be published; an earlier version is gone back to in the list of versions. */
export function PublishThis({ id, version }: { id: string; version: string }) {
  const t = useText();
  const may = useMay();
  const client = useQueryClient();
  const rule = useRule(id);
  const [state, setState] = useState<"live" | "shadow">("live");
  const [first, setFirst] = useState(0);
  if (!may("rules.publish") || version !== "draft" || !rule.data?.draft) return null;
  const publish = async (note: string) => {
    const { etag } = await versioned(api.GET("/api/v1/rules/{id}", { params: { path: { id } } }));
    await ok(api.POST("/api/v1/rules/{id}/publish", { params: { path: { id }, header: { "If-Match": etag } }, body: { state, ...(note && { note }), ...(first > 0 && { first_need_approval: first }) } }));
    await Promise.all([client.invalidateQueries({ queryKey: ["rule-flow", id] }), client.invalidateQueries({ queryKey: ["rules"] })]);
  };
  return (
    <ConfirmAction
      title={t("publish.title", { n: rule.data.latest + 1 })}
      text={t("publish.text")}
      reason="optional"
      confirm={t("publish.go")}
      button={{ type: "primary", size: "small", icon: <RocketOutlined aria-hidden /> }}
      body={
        <div className="stack" style={{ gap: 12, marginBottom: 12 }}>
          <Radio.Group value={state} onChange={(e) => setState(e.target.value as "live" | "shadow")} style={{ display: "grid", gap: 6 }} aria-label={t("publish.how")}>
            <Radio value="live">{t("publish.live")}</Radio>
            <Radio value="shadow">{t("publish.shadow")}</Radio>
          </Radio.Group>
          {state === "live" && (
            <div className="row">
              <label htmlFor="first-approval">{t("publish.first")}</label>
              <InputNumber id="first-approval" min={0} max={1000} value={first} onChange={(v) => setFirst(v ?? 0)} />
            </div>
          )}
        </div>
      }
      action={publish}
    >
      {t("publish")}
    </ConfirmAction>
  );
}
