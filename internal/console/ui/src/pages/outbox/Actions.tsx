// What can be done with a message: send it now, hold or release it, give it up, or say what became of it.
import { CaretRightOutlined, CheckOutlined, PauseOutlined, SendOutlined, StopOutlined } from "@ant-design/icons";
import { Radio } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { ConfirmAction } from "@/kit";
import { useText } from "./texts";

export function Actions({ message: m }: { message: Schemas["automation"]["OutboxMessage"] }) {
  const t = useText();
  const may = useMay();
  const client = useQueryClient();
  const [arrived, setArrived] = useState(true);
  const again = () => client.invalidateQueries({ queryKey: ["outbox"] });
  if (!may("outbox.write")) return null;
  const path = { entry: m.entry };
  const count = (...states: string[]) => m.recipients.filter((r) => states.includes(r.state)).length;
  const pending = count("pending");
  const unknown = count("unknown");
  const others = count("failed", "suppressed");
  const sendable = m.can_change && pending + unknown + others > 0;
  return (
    <>
      {unknown > 0 && (
        <ConfirmAction
          title={t("settle.title")}
          text={t("settle.text", { n: unknown })}
          reason="required"
          body={
            <Radio.Group value={arrived} onChange={(e) => setArrived(Boolean(e.target.value))} style={{ display: "grid", gap: 8, marginBottom: 12 }} aria-label={t("settle.title")}>
              <Radio value={true}>{t("settle.arrived")}</Radio>
              <Radio value={false}>{t("settle.lost")}</Radio>
            </Radio.Group>
          }
          confirm={t("settle.go")}
          button={{ icon: <CheckOutlined aria-hidden /> }}
          action={(reason) => ok(api.POST("/api/v1/outbox/{entry}/settle", { params: { path }, body: { arrived, reason } })).then(again)}
        >
          {t("settle")}
        </ConfirmAction>
      )}
      {sendable && (
        <ConfirmAction
          title={t("send.title")}
          text={
            <>
              {t("send.text", { n: pending + others + unknown })} {unknown > 0 && t("send.twice", { n: unknown })} {t("send.holds")}
            </>
          }
          button={{ icon: <SendOutlined aria-hidden /> }}
          action={() => ok(api.POST("/api/v1/outbox/{entry}/send", { params: { path } })).then(again)}
        >
          {t("send")}
        </ConfirmAction>
      )}
      {m.held_itself && (
        <ConfirmAction title={t("release.title")} text={t("release.text", { n: pending })} button={{ type: "primary", icon: <CaretRightOutlined aria-hidden /> }} action={() => ok(api.POST("/api/v1/outbox/{entry}/release", { params: { path } })).then(again)}>
          {t("release")}
        </ConfirmAction>
      )}
      {!m.held_itself && m.can_change && m.automated && pending > 0 && (
        <ConfirmAction title={t("hold.title")} text={t("hold.text", { n: pending })} reason="required" button={{ icon: <PauseOutlined aria-hidden /> }} action={(reason) => ok(api.POST("/api/v1/outbox/{entry}/hold", { params: { path }, body: { reason } })).then(again)}>
          {t("hold")}
        </ConfirmAction>
      )}
      {m.can_change && pending > 0 && (
        <ConfirmAction title={t("cancel.title")} text={t("cancel.text", { n: pending })} reason="required" danger button={{ icon: <StopOutlined aria-hidden /> }} action={(reason) => ok(api.POST("/api/v1/outbox/{entry}/cancel", { params: { path }, body: { reason } })).then(again)}>
          {t("cancel")}
        </ConfirmAction>
      )}
    </>
  );
}
