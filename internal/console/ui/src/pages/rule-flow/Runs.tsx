// The runs of one rule.
import { RunList } from "@/pages/runs/RunList";

export default function Runs({ id }: { id: string }) {
  return <RunList rule={id} />;
}
