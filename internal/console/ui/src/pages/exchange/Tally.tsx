import { number } from "@/kit";
import type { Import } from "./data";
import { useText } from "./texts";

/** How many rows were read, and what becomes of them. */
export function Tally({ job }: { job: Import }) {
  const t = useText();
  return (
    <dl className="exchange-tally" aria-live="polite">
      {(["read", "added", "changed", "unchanged", "refused"] as const).map((k) => (
        <div key={k} data-kind={job.counts[k] > 0 ? k : undefined}>
          <dt>{t(`count.${k}`)}</dt>
          <dd>{number(job.counts[k], t.lang)}</dd>
        </div>
      ))}
    </dl>
  );
}
