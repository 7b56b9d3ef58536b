// The state of a rule in a word, and what turns it into another one; each says first what will happen.
import { DownOutlined } from "@ant-design/icons";
import { Alert, App, Button, Dropdown, Form, Input, Modal, type MenuProps } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, ok, versioned, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { ApiForm, State, type Tone } from "@/kit";
import { useText } from "./texts";

type Summary = Schemas["automation"]["RuleSummary"];
const tones: Record<Summary["state"], Tone> = { draft: "plain", live: "good", shadow: "info", off: "plain" };

export function RuleState({ rule }: { rule: Summary }) {
  const t = useText();
  return (
    <span className="row" style={{ gap: 6 }}>
      <State tone={tones[rule.state]}>{t(`state.${rule.state}`)}</State>
      {rule.held !== undefined && <State tone="warn">{t(rule.held_by_all ? "heldAll" : "held")}</State>}
      {rule.draft && rule.state !== "draft" && <span className="muted small">{t("draftToo")}</span>}
    </span>
  );
}

export const deeds = ["live", "shadow", "off", "hold", "release", "duplicate", "retire"] as const;
export type Deed = (typeof deeds)[number];

function allowed(rule: Summary, may: (p: string) => boolean): Deed[] {
  const out: Deed[] = [];
  if (may("rules.publish") && rule.latest > 0) {
    if (rule.state !== "live") out.push("live");
    if (rule.state !== "shadow") out.push("shadow");
    if (rule.state === "live" || rule.state === "shadow") out.push("off");
  }
  if (may("rules.hold") && rule.state !== "draft" && rule.state !== "off" && !rule.held_by_all) out.push(rule.held === undefined ? "hold" : "release");
  if (may("rules.write")) out.push("duplicate");
  if (may("rules.write") && (rule.state === "draft" || rule.state === "off")) out.push("retire");
  return out;
}

/** The menu of what can be done; the question comes in a dialog. */
export function StateActions({ rule, small }: { rule: Summary; small?: boolean }) {
  const t = useText();
  const may = useMay();
  const [deed, setDeed] = useState<Deed>();
  const can = allowed(rule, may);
  if (!can.length) return null;
  const items: MenuProps["items"] = can.map((d) => ({ key: d, label: t(`deed.${d}`), danger: d === "retire", onClick: () => setDeed(d) }));
  return (
    <>
      <Dropdown menu={{ items }} trigger={["click"]} placement="bottomRight">
        <Button size={small ? "small" : undefined} icon={<DownOutlined aria-hidden />} iconPlacement="end" aria-label={t("deedsOf", { name: rule.name })}>
          {t("deeds")}
        </Button>
      </Dropdown>
      {deed && <Ask rule={rule} deed={deed} close={() => setDeed(undefined)} />}
    </>
  );
}

function Ask({ rule, deed, close }: { rule: Summary; deed: Deed; close: () => void }) {
  const t = useText();
  const go = useNavigate();
  const client = useQueryClient();
  const { message } = App.useApp();
  const path = { id: rule.id };
  const run = async ({ text = "" }: { text?: string }) => {
    const params = { path };
    if (deed === "hold") await ok(api.POST("/api/v1/rules/{id}/hold", { params, body: { reason: text.trim() } }));
    else if (deed === "release") await ok(api.POST("/api/v1/rules/{id}/release", { params }));
    else if (deed === "duplicate") {
      const copy = await ok(api.POST("/api/v1/rules/{id}/duplicate", { params, body: { id: newId(text), name: text.trim() } }));
      void go(`/rules/${copy.id}`);
    } else if (deed === "retire") {
      const { etag } = await versioned(api.GET("/api/v1/rules/{id}", { params }));
      await api.DELETE("/api/v1/rules/{id}", { params: { path, header: { "If-Match": etag } } });
      if (location.pathname === `/rules/${rule.id}`) void go("/rules");
    } else await ok(api.POST("/api/v1/rules/{id}/state", { params, body: { state: deed } }));
    await client.invalidateQueries({ queryKey: ["rules"], refetchType: deed === "retire" ? "none" : "active" });
    if (deed === "retire") void client.invalidateQueries({ queryKey: ["rules", "list"] });
    void message.success(t(`done.${deed}`, { name: rule.name }));
    close();
  };
  return (
    <Modal open title={t(`ask.${deed}`, { name: rule.name })} onCancel={close} footer={null} width={480} destroyOnHidden>
      <p style={{ marginTop: 0 }}>{t(`means.${deed}`, { waiting: rule.runs.waiting + rule.runs.running })}</p>
      {deed === "live" && rule.draft && <Alert type="info" showIcon title={t("draftStays")} style={{ marginBottom: 12 }} />}
      <ApiForm<{ text?: string }>
        onSubmit={run}
        initialValues={{ text: deed === "duplicate" ? t("copyName", { name: rule.name }) : "" }}
        requiredMark={false}
        footer={(busy) => (
          <div className="row" style={{ justifyContent: "flex-end" }}>
            <Button onClick={close}>{t("cancel")}</Button>
            <Button type="primary" danger={deed === "retire"} htmlType="submit" loading={busy}>
              {t(`deed.${deed}`)}
            </Button>
          </div>
        )}
      >
        {deed === "hold" && (
          <Form.Item name="text" label={t("reason")} rules={[{ required: true, whitespace: true, message: t("reasonMissing") }]}>
            <Input.TextArea autoSize={{ minRows: 2 }} maxLength={500} />
          </Form.Item>
        )}
        {deed === "duplicate" && (
          <Form.Item name="text" label={t("ruleName")} rules={[{ required: true, whitespace: true, message: t("nameMissing") }]}>
            <Input maxLength={200} />
          </Form.Item>
        )}
      </ApiForm>
    </Modal>
  );
}

/** An id of a name: its Latin words, and something of its own. */
export function newId(name: string): string {
  const words = name.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);
  const own = Math.random().toString(36).slice(2, 8);
  return `${words || "rule"}-${own}`.replace(/^[^a-z]+/, "rule-");
}
