import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, ok } from "@/api/client";
import { Chart, duration, Loading, Panel, Problem } from "@/kit";
import { useRuleNames } from "./rules";
import { useText } from "./texts";
import { asks, counted, lasted, since, typical, type Kind, type Range } from "./trend";

const height = 230;

/** A figure over time. */
export function Trend({ kind, range, target, account }: { kind: Kind; range: Range; target?: string; account?: string }) {
  const t = useText();
  const names = useRuleNames(kind === "rules");
  const { metrics, by } = asks[kind];
  const queries = useQueries({
    queries: metrics.map((metric) => ({
      queryKey: ["trends", metric, range, target, account],
      queryFn: ({ signal }: { signal: AbortSignal }) => ok(api.GET("/api/v1/trends", { params: { query: { metric, by, ...since(range), target, account } }, signal })),
      staleTime: 60_000,
      refetchInterval: 300_000,
      placeholderData: <T,>(before: T | undefined) => before,
    })),
  });
  const [first, second] = [queries[0]?.data, queries[1]?.data];
  const there = queries.every((q) => q.data);
  const failed = queries.find((q) => q.error && !q.data);
  const total = queries.reduce((n, q) => n + (q.data?.series.reduce((m, s) => m + s.total, 0) ?? 0), 0);
  const points = first?.series[0]?.points;
  const sum =
    kind === "lag"
      ? typical(points ?? [], "p50") === undefined
        ? undefined
        : t("lagSum", { half: duration(typical(points!, "p50")!, t.lang), most: duration(typical(points!, "p95")!, t.lang) })
      : kind === "automail"
        ? t("automailSum", { sent: first?.series.reduce((m, s) => m + s.total, 0) ?? 0, bounced: second?.series.reduce((m, s) => m + s.total, 0) ?? 0 })
        : t(`sum.${kind}`, { n: total });

  const option = useMemo(() => {
    if (kind === "lag") return lasted(points ?? [], [t("half"), t("most")], range, t.lang);
    const name = (series: string, metric: number) => {
      if (kind === "automail") return t(metric === 0 ? "sent" : "bounced");
      if (kind === "captured") return t.any(`direction.${series}`, series || t("others"));
      if (kind === "rules") return names[series] ?? (series || t("others"));
      return series || t("all");
    };
    const lines = [first, second].flatMap((d, i) => (d?.series ?? []).map((s) => ({ name: name(s.name, i), points: s.points })));
    return counted(lines, range, t.lang);
  }, [kind, first, second, points, names, range, t]);

  return (
    <Panel title={t(`trend.${kind}`)} extra={there && <span className="small muted">{sum}</span>}>
      {failed ? (
        <Problem error={failed.error} again={() => void failed.refetch()} />
      ) : !there ? (
        <div style={{ minHeight: height }}>
          <Loading lines={5} />
        </div>
      ) : total === 0 ? (
        <div className="muted" style={{ height, display: "grid", placeItems: "center", textAlign: "center" }}>
          {t(`none.${kind}`)}
        </div>
      ) : (
        <div className="muted">
          <Chart option={option} label={`${t(`trend.${kind}`)}, ${t(`range.${range}`)}. ${sum ?? ""}`} height={height} />
        </div>
      )}
    </Panel>
  );
}
