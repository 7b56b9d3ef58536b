// A chart. ECharts is loaded when the first one is shown, and knows only what echarts.ts lets it.
import type { EChartsCoreOption, EChartsType } from "echarts/core";
import { useEffect, useRef } from "react";
import { useDark } from "@/app/look";

// Each stands out from its neighbours in light and dark, also for the colour-blind.
const colors = {
  light: ["#0f5f6b", "#d98e1f", "#5b6fb5", "#b8453a", "#6a8f3c", "#8a5a9c", "#7a8588"],
  dark: ["#4fb0bd", "#e5ad52", "#8f9fe0", "#e8776d", "#9dbf6a", "#bd92cc", "#95a3a5"],
};

/** label says in a sentence what the chart shows: it is all that a screen reader gets, so give numbers elsewhere as text, too. */
export function Chart({ option, label, height = 240 }: { option: EChartsCoreOption; label: string; height?: number }) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(undefined);
  const dark = useDark();

  useEffect(() => {
    let gone = false;
    let watch: ResizeObserver | undefined;
    void import("./echarts").then(({ echarts }) => {
      const el = box.current;
      if (gone || !el) return;
      const c = echarts.init(el, null, { renderer: "svg" });
      chart.current = c;
      watch = new ResizeObserver(() => c.resize());
      watch.observe(el);
      el.dispatchEvent(new Event("ready"));
    });
    return () => {
      gone = true;
      watch?.disconnect();
      chart.current?.dispose();
      chart.current = undefined;
    };
  }, []);

  useEffect(() => {
    const el = box.current;
    const draw = () => chart.current?.setOption({ ...look(dark), ...option }, { notMerge: true });
    draw();
    el?.addEventListener("ready", draw);
    return () => el?.removeEventListener("ready", draw);
  }, [option, dark]);

  return <div ref={box} role="img" aria-label={label} style={{ height, width: "100%" }} />;
}

function look(dark: boolean): EChartsCoreOption {
  const style = getComputedStyle(document.documentElement);
  const v = (name: string) => style.getPropertyValue(name).trim();
  return {
    color: dark ? colors.dark : colors.light,
    backgroundColor: "transparent",
    textStyle: { color: v("--hg-muted"), fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12 },
    grid: { left: 8, right: 12, top: 16, bottom: 4, containLabel: true },
    tooltip: { trigger: "axis", backgroundColor: v("--hg-raised"), borderColor: v("--hg-line"), textStyle: { color: v("--hg-text"), fontSize: 13 }, confine: true },
    animationDuration: 250,
  };
}
