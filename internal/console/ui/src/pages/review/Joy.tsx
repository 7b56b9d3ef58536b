import type { ReactNode } from "react";

/** An empty queue: a sunrise, for the logo's sake. */
export function Joy({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="empty joy">
      <svg viewBox="0 0 120 72" width="120" height="72" fill="none" aria-hidden>
        <path d="M32 60a28 28 0 0 1 56 0" fill="var(--hg-sun)" opacity="0.9" />
        <g stroke="var(--hg-sun)" strokeWidth="3" strokeLinecap="round">
          <path className="ray" d="M60 22V10" />
          <path className="ray" d="m86 33 9-9" />
          <path className="ray" d="m34 33-9-9" />
          <path className="ray" d="M98 56h12" />
          <path className="ray" d="M22 56H10" />
        </g>
        <path d="M6 62h108" stroke="var(--hg-brand)" strokeWidth="3" strokeLinecap="round" />
        <path d="m50 46 7 7 14-14" stroke="var(--hg-panel)" strokeWidth="4" strokeLinecap="round" strokeLinejoin="round" />
      </svg>
      <strong>{title}</strong>
      <p>{children}</p>
    </div>
  );
}
