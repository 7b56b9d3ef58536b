import { Modal } from "antd";
import { useState } from "react";
import { domainOf, type Review } from "./lists";
import { useText } from "./texts";

/** Asks before whole domains are ignored: how many people and mails that concerns. */
export function DomainQuestion({ who, all, close, go }: { who: Review[] | undefined; all: Review[]; close: () => void; go: (who: Review[]) => Promise<void> }) {
  const t = useText();
  const [busy, setBusy] = useState(false);
  const domains = [...new Set((who ?? []).map((r) => domainOf(r.subject)))];
  const concerned = all.filter((r) => domains.includes(domainOf(r.subject)));
  const run = async () => {
    setBusy(true);
    await go(concerned);
    setBusy(false);
    close();
  };
  return (
    <Modal open={Boolean(who)} title={t("domainTitle", { domain: domains.join(t.lang === "zh" ? "、" : ", ") })} okText={t("domain")} okButtonProps={{ danger: true, loading: busy }} onOk={() => void run()} onCancel={close} destroyOnHidden width={480}>
      <p style={{ margin: 0 }}>{t("domainText", { n: concerned.length, mails: concerned.reduce((sum, r) => sum + r.waiting, 0) })}</p>
    </Modal>
  );
}
