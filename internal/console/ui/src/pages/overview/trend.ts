// What charts show of figures over time.
import type { EChartsCoreOption } from "echarts/core";
import type { Schemas } from "@/api/client";
import { duration, number } from "@/kit";
import { locale, type Lang } from "@/lang";

export const ranges = { "24h": 1, "7d": 7, "30d": 30, "90d": 90, "365d": 365 };
export type Range = keyof typeof ranges;
export type Metric = Schemas["operations"]["TrendMetric"];
type Series = Schemas["operations"]["Series"];
export type Kind = "captured" | "mirrored" | "failed" | "lag" | "excluded" | "automail" | "rules";

/** What is asked for each chart: the figures in it, and how they are told apart. */
export const asks: Record<Kind, { metrics: Metric[]; by: Schemas["operations"]["TrendBy"] }> = {
  captured: { metrics: ["captured"], by: "direction" },
  mirrored: { metrics: ["mirrored"], by: "target" },
  failed: { metrics: ["failed"], by: "target" },
  lag: { metrics: ["lag"], by: "none" },
  excluded: { metrics: ["excluded"], by: "none" },
  automail: { metrics: ["automail_sent", "automail_bounced"], by: "none" },
  rules: { metrics: ["rules"], by: "rule" },
};

/** The begin of a range and its step. Bars of a day begin at midnight here, those of an hour on the hour, so that the same is asked for a while. */
export function since(range: Range, now = Date.now()): { from: string; step: Schemas["operations"]["TrendStep"] } {
  const from = new Date(now - ranges[range] * 86_400_000);
  if (ranges[range] > 7) {
    from.setHours(24, 0, 0, 0);
    return { from: from.toISOString(), step: "1d" };
  }
  from.setMinutes(60, 0, 0);
  return { from: from.toISOString(), step: "1h" };
}

/** Seconds as charts tell them: below one in thousandths. */
const short = (n: number, lang: Lang) => (n > 0 && n < 1 ? `${number(Math.round(n * 1000), lang)} ${lang === "zh" ? "毫秒" : "ms"}` : duration(n, lang));

const day = (lang: Lang, at: number) => new Intl.DateTimeFormat(locale(lang), { month: lang === "zh" ? "numeric" : "short", day: "numeric" }).format(at);
const clock = (lang: Lang, at: number) => new Intl.DateTimeFormat(locale(lang), { hour: "2-digit", minute: "2-digit", hour12: false }).format(at);

/** The axes and the tooltip that all charts share. */
function frame(range: Range, lang: Lang, unit: (n: number) => string): EChartsCoreOption {
  return {
    grid: { left: 8, right: 16, top: 12, bottom: 28, containLabel: true },
    legend: { bottom: 0, left: 0, type: "scroll", icon: "roundRect", itemWidth: 10, itemHeight: 10, itemGap: 16, textStyle: { color: "currentColor" } },
    xAxis: {
      type: "time",
      axisLine: { lineStyle: { color: "rgba(128,140,142,0.45)" } },
      axisTick: { show: false },
      axisLabel: { color: "currentColor", hideOverlap: true, formatter: (at: number) => (range === "24h" ? clock(lang, at) : day(lang, at)) },
      axisPointer: { label: { formatter: ({ value }: { value: number }) => `${day(lang, value)} ${clock(lang, value)}` } },
    },
    yAxis: { type: "value", minInterval: 1, splitNumber: 4, splitLine: { lineStyle: { color: "rgba(128,140,142,0.18)" } }, axisLabel: { color: "currentColor", formatter: (n: number) => unit(n) } },
    tooltip: { trigger: "axis", confine: true, valueFormatter: (n: unknown) => (typeof n === "number" ? unit(n) : "–") },
  };
}

export interface Line {
  name: string;
  points: Series["points"];
}

/** Events by the step, one on top of the other. */
export function counted(lines: Line[], range: Range, lang: Lang): EChartsCoreOption {
  return {
    ...frame(range, lang, (n) => number(n, lang)),
    series: lines.map((l) => ({
      name: l.name,
      type: "bar",
      stack: "all",
      barMaxWidth: 18,
      barMinHeight: 1,
      emphasis: { focus: "series" },
      data: l.points.map((p) => [p.at, p.count || null]),
    })),
  };
}

/** How long it took: half of all were quicker than the one line, all but one in twenty than the other. */
export function lasted(points: Series["points"], names: [half: string, most: string], range: Range, lang: Lang): EChartsCoreOption {
  const line = (name: string, value: (p: Series["points"][number]) => number | undefined) => ({
    name,
    type: "line",
    showSymbol: points.filter((p) => value(p) !== undefined).length < 40,
    symbolSize: 5,
    connectNulls: false,
    data: points.map((p) => [p.at, value(p) ?? null]),
  });
  const f = frame(range, lang, (n) => short(n, lang));
  return { ...f, yAxis: { ...(f.yAxis as object), minInterval: 0 }, series: [line(names[0], (p) => p.p50), line(names[1], (p) => p.p95)] };
}

/** The percentiles of a whole range, as near as points tell: the middle of theirs, weighed by how many there were. */
export function typical(points: Series["points"], of: "p50" | "p95"): number | undefined {
  const known = points.filter((p) => p[of] !== undefined && p.count > 0).sort((a, b) => a[of]! - b[of]!);
  const half = known.reduce((n, p) => n + p.count, 0) / 2;
  let seen = 0;
  for (const p of known) if ((seen += p.count) >= half) return p[of];
  return undefined;
}
