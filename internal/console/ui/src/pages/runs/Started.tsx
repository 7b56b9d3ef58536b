// What started a run: the mail, the record, the time or the call, with the way to it.
import { Link } from "react-router";
import type { Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Facts, Time } from "@/kit";
import { KindIcon } from "@/pages/rule-flow/icons";
import { useText } from "./texts";

export function Started({ event: e, hidden }: { event: Schemas["automation"]["EventInfo"]; hidden?: boolean }) {
  const t = useText();
  const may = useMay();
  return (
    <>
      <p className="row flat" style={{ marginBottom: 10 }}>
        <KindIcon kind={`trigger.${e.type}`} />
        <strong>{t.any(`event.${e.type}`, e.type)}</strong>
      </p>
      <Facts
        rows={[
          [t("event.title"), hidden ? undefined : e.title],
          [t("event.account"), e.account],
          [t("event.where"), e.target ? [e.target, e.object, e.record].filter(Boolean).join(" › ") : undefined],
          [t("event.at"), <Time key="at" at={e.at} show="exact" />],
        ]}
      />
      {e.message && (
        <div className="row" style={{ marginTop: 12, gap: 16 }}>
          {may("mail.read") && <Link to={`/messages/${encodeURIComponent(e.message)}`}>{t("event.open")}</Link>}
          <Link to={`/runs?message=${encodeURIComponent(e.message)}`}>{t("event.others")}</Link>
        </div>
      )}
    </>
  );
}
