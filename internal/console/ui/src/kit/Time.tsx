// Times, sizes and numbers as people read them.
import { Tooltip } from "antd";
import { useSyncExternalStore } from "react";
import { locale, useLang, type Lang } from "@/lang";

// One clock for all times on the page.
const listeners = new Set<() => void>();
let now = Date.now();
let clock: ReturnType<typeof setInterval> | undefined;
function subscribe(f: () => void) {
  listeners.add(f);
  if (!clock) now = Date.now(); // it stood while nothing showed a time
  clock ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 20_000);
  return () => {
    listeners.delete(f);
    if (listeners.size) return;
    clearInterval(clock);
    clock = undefined;
  };
}
const read = () => now;

/** The exact time in the browser's zone. */
export function exact(at: string | Date, lang: Lang, seconds = true) {
  return new Intl.DateTimeFormat(locale(lang), {
    year: "numeric",
    month: lang === "zh" ? "2-digit" : "short",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds && { second: "2-digit" }),
    hour12: false,
  }).format(new Date(at));
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** "3 minutes ago"; beyond a week, the date. */
export function relative(at: string | Date, lang: Lang, from = Date.now()) {
  const seconds = (new Date(at).getTime() - from) / 1000;
  if (Number.isNaN(seconds)) return "";
  if (Math.abs(seconds) < 45) return lang === "zh" ? (seconds > 5 ? "马上" : "刚刚") : seconds > 5 ? "in a moment" : "just now";
  if (Math.abs(seconds) > 7 * 86400) {
    const year = new Date(at).getFullYear() !== new Date(from).getFullYear();
    return new Intl.DateTimeFormat(locale(lang), { ...(year && { year: "numeric" }), month: lang === "zh" ? "long" : "short", day: "numeric" }).format(new Date(at));
  }
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size || unit === "minute") {
      return new Intl.RelativeTimeFormat(locale(lang), { numeric: "auto" }).format(Math.round(seconds / size) || Math.sign(seconds), unit);
    }
  }
  return "";
}

/** A time: how long ago, and exactly when one points at it. show="exact": the other way about. plain: without the tooltip. */
export function Time({ at, show = "relative", plain }: { at: string | undefined; show?: "relative" | "exact"; plain?: boolean }) {
  const lang = useLang();
  const clockNow = useSyncExternalStore(subscribe, read);
  if (!at) return <span className="muted">–</span>;
  const r = relative(at, lang, clockNow);
  const e = exact(at, lang);
  const body = (
    <time dateTime={at} className="nowrap">
      {show === "exact" ? e : r}
    </time>
  );
  return plain ? body : <Tooltip title={show === "exact" ? r : e}>{body}</Tooltip>;
}

/** Bytes: 12 KB, 3.4 MB. */
export function size(bytes: number, lang: Lang) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let n = bytes;
  let i = 0;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${new Intl.NumberFormat(locale(lang), { maximumFractionDigits: n < 10 && i > 0 ? 1 : 0 }).format(n)} ${units[i]}`;
}

/** A duration in seconds: 0.4 s, 12 s, 3 min, 2.5 h, 4 d. */
export function duration(seconds: number, lang: Lang) {
  const f = (n: number, digits: number) => new Intl.NumberFormat(locale(lang), { maximumFractionDigits: digits }).format(n);
  const [s, m, h, d] = lang === "zh" ? [" 秒", " 分钟", " 小时", " 天"] : [" s", " min", " h", " d"];
  if (seconds < 60) return f(seconds, seconds < 10 ? 1 : 0) + s;
  if (seconds < 3600) return f(seconds / 60, 0) + m;
  if (seconds < 48 * 3600) return f(seconds / 3600, 1) + h;
  return f(seconds / 86400, 0) + d;
}

export const number = (n: number, lang: Lang) => new Intl.NumberFormat(locale(lang)).format(n);
