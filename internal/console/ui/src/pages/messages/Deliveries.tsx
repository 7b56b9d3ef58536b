import { ExportOutlined } from "@ant-design/icons";
import { said } from "@/api/said";
import { State, Time, type Tone } from "@/kit";
import type { Delivery } from "./query";
import { useText } from "./texts";

const tones: Record<Delivery["state"], Tone> = { pending: "info", mirrored: "good", failed: "bad", excluded: "plain", withdrawing: "warn", withdrawn: "plain" };

/** Only web addresses are linked to, whatever a CRM says. */
export const web = (url: string | undefined) => (url && /^(https?:\/\/|\/(?!\/))/i.test(url) ? url : undefined);

/** The state at one CRM, short: for lists. */
export function DeliveryState({ d }: { d: Delivery }) {
  const t = useText();
  return (
    <State tone={tones[d.state]}>
      {d.target}
      {t("colon")}
      {t(`delivery.${d.state}`)}
    </State>
  );
}

/** What each CRM made of a mail, with the way there. */
export function Deliveries({ list }: { list: Delivery[] }) {
  const t = useText();
  return (
    <ul className="deliveries" aria-label={t("inCRM")}>
      {list.map((d) => (
        <li key={d.target}>
          <DeliveryState d={d} />
          {web(d.url) && d.state === "mirrored" && (
            <a href={web(d.url)} target="_blank" rel="noopener noreferrer">
              {t("openIn", { target: d.target })} <ExportOutlined aria-hidden />
            </a>
          )}
          <span className="muted small">
            {d.state === "pending" && d.next_at ? t.rich("nextTry", { time: <Time at={d.next_at} /> }) : <Time at={d.updated_at} />}
          </span>
          {d.reason && d.state !== "mirrored" && <span className="small reason">{said(d.reason, t.lang)}</span>}
        </li>
      ))}
    </ul>
  );
}
