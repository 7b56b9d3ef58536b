import type { ReactNode } from "react";

/** A part of a long form, under a heading of its own. */
export function Section({ title, hint, children }: { title: string; hint?: string; children: ReactNode }) {
  return (
    <div className="rd-section" role="group" aria-label={title}>
      <h3>{title}</h3>
      {hint && <p className="rd-hint">{hint}</p>}
      {children}
    </div>
  );
}
