// What flows now: by the minute, and what became of the last day's mail.
import type { ReactNode } from "react";
import { Link } from "react-router";
import { useMay } from "@/app/session";
import { exact, Time } from "@/kit";
import { locale } from "@/lang";
import type { State } from "./Standing";
import { useText } from "./texts";

type Minute = State["captured"][number];

export function Flow({ overview: o }: { overview: State }) {
  const t = useText();
  const may = useMay();
  const oldest = o.waiting
    .filter((w) => w.what === "delivery" && w.count > 0 && w.oldest_at)
    .map((w) => w.oldest_at!)
    .sort()[0];
  const people = o.totals.for_people;
  const waits = o.totals.pending > people && oldest ? t.rich("oldest", { time: <Time at={oldest} /> }) : people === 0 && t("nonePending");
  return (
    <section className="ov-flow" aria-label={t("flow")}>
      <Figure name={t("captured")} value={rate(o.captured, t.lang)} unit={t("perMinute")} below={t("day", { n: o.totals.captured })}>
        <Bars minutes={o.captured} label={t("bars.captured")} />
      </Figure>
      <Figure name={t("mirrored")} value={rate(o.mirrored, t.lang)} unit={t("perMinute")} below={t("day", { n: o.totals.mirrored })}>
        <Bars minutes={o.mirrored} label={t("bars.mirrored")} second />
      </Figure>
      <Figure
        name={t("pending")}
        value={whole(o.totals.pending, t.lang)}
        unit={t("mails")}
        to={may("queue.read") && o.totals.pending > people ? "/queue?what=delivery" : undefined}
        below={
          <>
            {people > 0 && (may("contacts.read") ? <Link to="/review">{t("forPeople", { n: people })}</Link> : t("forPeople", { n: people }))}
            {people > 0 && waits && " · "}
            {waits}
          </>
        }
      />
      <Figure
        name={t("failed")}
        value={whole(o.totals.failed, t.lang)}
        unit={t("mails")}
        bad={o.totals.failed > 0}
        to={may("queue.read") && o.totals.failed > 0 ? "/queue?state=discarded" : undefined}
        below={t("excluded", { n: o.totals.excluded })}
      />
    </section>
  );
}

const whole = (n: number, lang: "zh" | "en") => new Intl.NumberFormat(locale(lang)).format(n);

/** Mails a minute, over the last five that are over. */
export function rate(minutes: Minute[], lang: "zh" | "en") {
  const five = minutes.slice(-6, -1);
  const n = five.reduce((sum, m) => sum + m.count, 0) / Math.max(five.length, 1);
  return new Intl.NumberFormat(locale(lang), { maximumFractionDigits: n < 10 ? 1 : 0 }).format(n);
}

function Figure({ name, value, unit, below, to, bad, children }: { name: string; value: string; unit: string; below: ReactNode; to?: string; bad?: boolean; children?: ReactNode }) {
  const body = (
    <>
      <strong data-bad={bad || undefined}>{value}</strong> <span className="muted">{unit}</span>
    </>
  );
  return (
    <div className="panel">
      <div className="ov-name">{name}</div>
      <div className="ov-value">{to ? <Link to={to}>{body}</Link> : body}</div>
      {children}
      <div className="small muted">{below}</div>
    </div>
  );
}

/** The last hour as bars; the minute that is not over is paler. */
function Bars({ minutes, label, second }: { minutes: Minute[]; label: string; second?: boolean }) {
  const t = useText();
  const most = Math.max(4, ...minutes.map((m) => m.count));
  const total = minutes.reduce((n, m) => n + m.count, 0);
  return (
    <svg className="ov-bars" viewBox={`0 0 ${minutes.length * 4} 32`} preserveAspectRatio="none" role="img" aria-label={`${label} ${t("inHour", { n: total })}`} data-second={second || undefined}>
      {minutes.map((m, i) => (
        <rect key={m.at} x={i * 4} width={3} y={32 - Math.max(1, (m.count / most) * 32)} height={Math.max(1, (m.count / most) * 32)} opacity={m.count === 0 ? 0.25 : i === minutes.length - 1 ? 0.5 : 1}>
          <title>{`${exact(m.at, t.lang, false)} · ${m.count}`}</title>
        </rect>
      ))}
    </svg>
  );
}
