// A rule as a list, for phones and for who reads rather than looks.
import type { Schemas } from "@/api/client";
import { KindIcon } from "./icons";
import { NodeState, type Over } from "./NodeState";
import { Said } from "./Said";
import { useText } from "./texts";
import { say } from "./words";
import "./flow.css";

type Graph = Schemas["automation"]["Graph"];
type Node = Graph["nodes"][number];

/** One level of the list: nodes of one parent, each with the branch that leads into it. */
export function FlowList({ graph, over = "nothing", parent }: { graph: Graph; over?: Over; parent?: string }) {
  const t = useText();
  const own = graph.nodes.filter((n) => (n.parent ?? "") === (parent ?? "") && n.kind !== "join");
  if (!own.length) return null;
  return (
    <ol className="flow-list">
      {own.map((n) => (
        <li key={n.id}>
          <Branch graph={graph} node={n} />
          <div className="flow-item" data-state={n.state}>
            <span className="flow-icon">
              <KindIcon kind={n.kind === "step" ? (n.do ?? "step") : n.kind === "trigger" ? "trigger.any" : n.kind} />
            </span>
            <span className="grow">
              <Said text={say(n.label, t.lang)} />
            </span>
            <NodeState node={n} over={over} />
          </div>
          <FlowList graph={graph} over={over} parent={n.id} />
        </li>
      ))}
    </ol>
  );
}

function Branch({ graph, node }: { graph: Graph; node: Node }) {
  const t = useText();
  const edge = graph.edges.find((e) => e.to === node.id && e.from === node.parent);
  const text = say(edge?.label, t.lang);
  return text ? <div className="flow-branch small">{text}</div> : null;
}
