// A rule as a picture that one can zoom and walk through; nothing in it is changed here.
import { Background, BackgroundVariant, BaseEdge, Controls, EdgeLabelRenderer, Handle, Position, ReactFlow, type Edge, type EdgeProps, type Node, type NodeProps } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useMemo } from "react";
import type { Schemas } from "@/api/client";
import { useDark } from "@/app/look";
import { KindIcon } from "./icons";
import { layoutOf, nodeHeight, nodeWidth, pathOf, type Line } from "./layout";
import { NodeState, type Over } from "./NodeState";
import { Said } from "./Said";
import { useText } from "./texts";
import { say } from "./words";
import "./flow.css";

type Graph = Schemas["automation"]["Graph"];
type GraphNode = Graph["nodes"][number];
type Box = Node<{ node: GraphNode; over: Over; faint: boolean }, "box">;
type Way = Edge<{ line: Line; taken: boolean; faint: boolean }, "way">;

const kindOf = (n: GraphNode) => (n.kind === "step" ? (n.do ?? "step") : n.kind === "trigger" ? "trigger.any" : n.kind);

/** Whether a run came by a node: the trigger and the condition always, a step when it has a state. */
const reached = (n: GraphNode | undefined, ended: boolean) => Boolean(n && (n.kind === "trigger" || n.kind === "condition" || n.state || (n.kind === "end" && ended)));

function Place({ data: { node, over, faint } }: NodeProps<Box>) {
  const t = useText();
  return (
    <div className="flow-box" data-kind={node.kind} data-state={over === "run" ? node.state : undefined} data-faint={faint || undefined} style={{ width: nodeWidth, height: nodeHeight }}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <span className="flow-icon">
        <KindIcon kind={kindOf(node)} />
      </span>
      <span className="flow-words" title={say(node.label, t.lang)}>
        <Said text={say(node.label, t.lang)} />
      </span>
      <NodeState node={node} over={over} />
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </div>
  );
}

function WayShown({ data, markerEnd }: EdgeProps<Way>) {
  const t = useText();
  if (!data) return null;
  const { line, taken, faint } = data;
  const text = say(line.edge.label, t.lang);
  return (
    <>
      <BaseEdge path={pathOf(line.points)} markerEnd={markerEnd} style={{ stroke: taken ? "var(--hg-good)" : "var(--hg-line-strong)", strokeWidth: taken ? 2.5 : 1.5, opacity: faint ? 0.5 : 1 }} />
      {text && line.label && (
        <EdgeLabelRenderer>
          <span className="flow-label" title={text} style={{ transform: `translate(${line.edge.kind === "no" ? "0" : "-50%"}, -50%) translate(${line.label[0]}px, ${line.label[1]}px)` }}>
            {text}
          </span>
        </EdgeLabelRenderer>
      )}
    </>
  );
}

const nodeTypes = { box: Place };
const edgeTypes = { way: WayShown };

export default function FlowPicture({ graph, over = "nothing", ended = false }: { graph: Graph; over?: Over; ended?: boolean }) {
  const t = useText();
  const dark = useDark();
  const { nodes, edges, height } = useMemo(() => {
    const { places, lines, height } = layoutOf(graph);
    const run = over === "run";
    const byId = new Map(graph.nodes.map((n) => [n.id, n]));
    const nodes = graph.nodes.map((node): Box => ({
      id: node.id,
      type: "box",
      position: places.get(node.id)!,
      data: { node, over, faint: run && !reached(node, ended) },
      ariaLabel: [say(node.label, t.lang), node.state ? t(`step.${node.state}`) : ""].filter(Boolean).join(" · "),
    }));
    const edges = lines.map((line, i): Way => {
      const taken = run && reached(byId.get(line.edge.from), ended) && reached(byId.get(line.edge.to), ended) && line.edge.kind !== "no";
      return { id: String(i), source: line.edge.from, target: line.edge.to, type: "way", focusable: false, data: { line, taken, faint: run && !taken }, markerEnd: { type: "arrowclosed" as never, color: taken ? "var(--hg-good)" : "var(--hg-line-strong)" } };
    });
    return { nodes, edges, height };
  }, [graph, over, ended, t]);
  return (
    <div className="flow" style={{ height: `min(max(${Math.round(height * 0.75)}px, 420px), 72vh)` }}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        edgeTypes={edgeTypes}
        colorMode={dark ? "dark" : "light"}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        fitView
        fitViewOptions={{ maxZoom: 1, minZoom: 0.55, padding: 0.06 }}
        minZoom={0.2}
        maxZoom={1.6}
        proOptions={{ hideAttribution: true }}
        ariaLabelConfig={{
          "node.a11yDescription.default": t("flow.keys"),
          "controls.ariaLabel": t("flow.controls"),
          "controls.zoomIn.ariaLabel": t("flow.in"),
          "controls.zoomOut.ariaLabel": t("flow.out"),
          "controls.fitView.ariaLabel": t("flow.fit"),
        }}
      >
        <Background variant={BackgroundVariant.Dots} gap={22} size={1} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}
