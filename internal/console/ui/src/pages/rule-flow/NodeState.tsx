import type { Schemas } from "@/api/client";
import { State } from "@/kit";
import { useText } from "./texts";
import { stepTones } from "./words";

type Node = Schemas["automation"]["Graph"]["nodes"][number];

/** What is said of a rule's nodes: what became of them in a run, or how often runs came by. */
export type Over = "nothing" | "run" | "counts";

export function NodeState({ node, over }: { node: Node; over: Over }) {
  const t = useText();
  if (over === "counts" && node.kind !== "end") {
    const { times, waiting, failed } = node.counts ?? { times: 0, waiting: 0, failed: 0 };
    const parts = [t("flow.times", { n: times }), waiting ? t("flow.waiting", { n: waiting }) : "", failed ? t("flow.failed", { n: failed }) : ""];
    return (
      <span className="flow-state">
        {times ? <State tone={failed ? "bad" : waiting ? "warn" : "good"}>{parts.filter(Boolean).join(" · ")}</State> : <span className="muted small">{t("flow.never")}</span>}
      </span>
    );
  }
  if (over !== "run" || !node.state) return null;
  return (
    <span className="flow-state">
      <State tone={stepTones[node.state]}>
        {t(`step.${node.state}`)}
        {(node.times ?? 0) > 1 && ` ×${node.times}`}
      </State>
    </span>
  );
}
