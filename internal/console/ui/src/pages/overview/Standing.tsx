import { CheckCircleFilled, CloseCircleFilled, ExclamationCircleFilled } from "@ant-design/icons";
import type { Schemas } from "@/api/client";
import { useText } from "./texts";

export type State = Schemas["operations"]["Overview"];

const icons = { ok: CheckCircleFilled, warning: ExclamationCircleFilled, failed: CloseCircleFilled };

/** One sentence on whether it works, and one on what flows. */
export function Standing({ overview: o }: { overview: State }) {
  const t = useText();
  const Icon = icons[o.level];
  const sum = (list: { count: number }[]) => list.reduce((n, m) => n + m.count, 0);
  const broken = o.checks.filter((c) => c.level === "failed" && !c.optional).map((c) => t.any(`check.${c.name}`, c.name));
  const title =
    o.level === "ok" ? t("well") : o.level === "failed" ? t("broken", { what: broken.join(t.lang === "zh" ? "、" : ", ") }) : o.attention.length ? t("look", { n: o.attention.length }) : t("lookChecks");
  return (
    <section className="ov-standing" data-level={o.level} aria-label={t("standing")}>
      <Icon aria-hidden />
      <div>
        <h2>{title}</h2>
        <p>{t("hour", { captured: sum(o.captured), mirrored: sum(o.mirrored) })}</p>
      </div>
    </section>
  );
}
