// Pages for what went wrong.
import { Button } from "antd";
import { useEffect, type ReactNode } from "react";
import { Link, useRouteError } from "react-router";
import { asProblem } from "@/api/problem";
import { Problem } from "@/kit/Async";
import { useText } from "./texts";

export function NotFound() {
  const t = useText();
  return (
    <Fault mark="404" title={t("notFound")} hint={t("notFoundHint")}>
      <Link to="/">{t("toStart")}</Link>
    </Fault>
  );
}

export function Forbidden() {
  const t = useText();
  return (
    <Fault mark="403" title={t("forbidden")} hint={t("forbiddenHint")}>
      <Link to="/">{t("toStart")}</Link>
    </Fault>
  );
}

export function Unreachable({ error, again }: { error: unknown; again: () => void }) {
  return (
    <div style={{ maxWidth: 560, margin: "12vh auto", padding: 16 }}>
      <Problem error={error} again={again} />
    </div>
  );
}

/** Shown in place of a page that threw. */
export function Broken({ whole }: { whole?: boolean }) {
  const t = useText();
  const error = useRouteError();
  // After an update of the gateway the files that this page was built with are gone.
  const stale = error instanceof Error && /dynamically imported module|module script failed|error loading/i.test(error.message);
  useEffect(() => {
    if (!stale) return;
    try {
      const last = Number(sessionStorage.getItem("heliograph.reloaded") ?? 0);
      if (Date.now() - last < 60_000) return;
      sessionStorage.setItem("heliograph.reloaded", String(Date.now()));
      location.reload();
    } catch {
      // Then the person presses the button.
    }
  }, [stale]);
  const fault = (
    <Fault mark="!" title={stale ? t("stale") : t("broken")} hint={stale ? t("staleHint") : t("brokenHint")}>
      {!stale && <pre className="mono small muted">{asProblem(error).detail}</pre>}
      <Button type="primary" onClick={() => location.reload()}>
        {t("reload")}
      </Button>
    </Fault>
  );
  return whole ? <main>{fault}</main> : fault;
}

function Fault({ mark, title, hint, children }: { mark: string; title: string; hint: string; children: ReactNode }) {
  return (
    <div className="fault">
      <span aria-hidden>{mark}</span>
      <h1>{title}</h1>
      <p>{hint}</p>
      {children}
    </div>
  );
}
