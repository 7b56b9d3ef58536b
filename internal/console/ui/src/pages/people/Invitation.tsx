import { Input, Modal } from "antd";
import type { Schemas } from "@/api/client";
import { Copy, Time } from "@/kit";
import { useText } from "./texts";

/** Shows a link with which a person sets a password; it is not shown again. */
export function InvitationDialog({ name, invitation, close }: { name: string; invitation?: Schemas["administration"]["Invitation"]; close: () => void }) {
  const t = useText();
  return (
    <Modal open={Boolean(invitation)} title={t("invitation", { name })} onCancel={close} onOk={close} okText={t("handedOver")} cancelButtonProps={{ style: { display: "none" } }} mask={{ closable: false }} width={560}>
      <p style={{ marginTop: 0 }}>{t("invitationHint")}</p>
      <div className="row" style={{ flexWrap: "nowrap" }}>
        <Input readOnly value={invitation?.link} aria-label={t("link")} className="mono" onFocus={(e) => e.target.select()} />
        <Copy text={invitation?.link ?? ""} label={t("copyLink")} />
      </div>
      {invitation && <p className="muted small">{t.rich("linkUntil", { time: <Time at={invitation.expires_at} show="exact" /> })}</p>}
    </Modal>
  );
}
