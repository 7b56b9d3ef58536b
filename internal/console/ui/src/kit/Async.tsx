// What is shown while something loads, when nothing is there, and when it went wrong. All pages use these.
import { CloseCircleOutlined, ReloadOutlined } from "@ant-design/icons";
import { Button } from "antd";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { asProblem, words } from "@/api/problem";
import { useText } from "./texts";

/** Grey lines in place of what loads; they come only after a moment, so that what is quick does not flicker. */
export function Loading({ lines = 5, whole }: { lines?: number; whole?: boolean }) {
  const t = useText();
  return (
    <div className="bones late" role="status" aria-label={t("loading")} style={whole ? { maxWidth: 640, margin: "16vh auto" } : undefined}>
      {Array.from({ length: lines }, (_, i) => (
        <i key={i} style={{ width: `${[92, 78, 86, 64, 72][i % 5]}%` }} />
      ))}
    </div>
  );
}

/** Nothing is there: says so, why, and what to do about it. */
export function Empty({ title, children, action }: { title?: ReactNode; children?: ReactNode; action?: ReactNode }) {
  const t = useText();
  return (
    <div className="empty">
      <svg className="art" viewBox="0 0 72 56" fill="none" stroke="currentColor" strokeWidth="2" aria-hidden>
        <rect x="8" y="12" width="56" height="38" rx="5" />
        <path d="m9 16 27 21 27-21M50 4l3 5M60 6l-3 5" strokeLinecap="round" />
      </svg>
      <strong>{title ?? t("nothing")}</strong>
      {children && <p>{children}</p>}
      {action && <div style={{ marginTop: 8 }}>{action}</div>}
    </div>
  );
}

/** What went wrong, what to do, and the request's id for who reads the log. again: what the button does. */
export function Problem({ error, again, style }: { error: unknown; again?: () => void; style?: React.CSSProperties }) {
  const t = useText();
  const p = asProblem(error);
  const { detail, remedy } = words(p, t.lang);
  return (
    <div className="problem" role="alert" style={style}>
      <CloseCircleOutlined aria-hidden />
      <div>
        <strong>{detail}</strong>
        {remedy && <p>{remedy}</p>}
        {p.fields.map((f) => {
          const w = words(f, t.lang);
          return (
            <p key={f.pointer + f.detail} className="small">
              <code>{f.pointer.replace(/^\//, "")}</code> {w.detail} {w.remedy}
            </p>
          );
        })}
        {p.instance && (
          <p className="small muted">
            {t("request")} <code>{p.instance}</code>
          </p>
        )}
        {again && (
          <div className="row">
            <Button size="small" icon={<ReloadOutlined aria-hidden />} onClick={again}>
              {t("again")}
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

/**
 * Shows a query in each of its states:
 *
 *     <Async query={rule} empty={(r) => !r.steps.length && <Empty title={t("noSteps")} />}>
 *       {(r) => <Steps rule={r} />}
 *     </Async>
 *
 * What was loaded before stays when loading it again fails; the problem then stands above it.
 */
export function Async<T>({ query, empty, lines, children }: { query: UseQueryResult<T>; empty?: (data: T) => ReactNode; lines?: number; children: (data: T) => ReactNode }) {
  const again = () => void query.refetch();
  if (query.data === undefined) return query.error ? <Problem error={query.error} again={again} /> : <Loading lines={lines} />;
  return (
    <>
      {query.error && <Problem error={query.error} again={again} style={{ marginBottom: 12 }} />}
      {empty?.(query.data) || children(query.data)}
    </>
  );
}
