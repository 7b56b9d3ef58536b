import type { Schemas } from "@/api/client";
import { duration, number, Time } from "@/kit";
import { useText } from "./texts";

/** How much of a target's rates is used now. */
export function Meters({ meters }: { meters: Schemas["operations"]["Meter"][] }) {
  const t = useText();
  return (
    <ul className="cn-meters">
      {meters.map((m) => {
        const share = Math.min(m.used / Math.max(m.limit, 1), 1);
        const label = t("meter", { used: number(m.used, t.lang), limit: number(m.limit, t.lang), per: duration(m.per_seconds, t.lang) });
        return (
          <li key={m.name}>
            <div className="row small" style={{ justifyContent: "space-between" }}>
              <span>{label}</span>
              {m.resets_at && m.used > 0 && <span className="muted">{t.rich("resets", { time: <Time at={m.resets_at} /> })}</span>}
            </div>
            <div className="cn-meter" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={m.limit} aria-valuenow={Math.min(m.used, m.limit)} data-full={share >= 0.9 || undefined}>
              <i style={{ width: `${share * 100}%` }} />
            </div>
          </li>
        );
      })}
    </ul>
  );
}
