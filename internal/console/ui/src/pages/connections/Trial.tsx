// A test of something, and what came of each step.
import { CheckCircleFilled, CloseCircleFilled, ExclamationCircleFilled, LoadingOutlined } from "@ant-design/icons";
import { Button, Modal, type ButtonProps } from "antd";
import { useState, type ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { said } from "@/api/said";
import { duration, Problem } from "@/kit";
import { useText } from "./texts";
import "./connections.css";

type Result = Schemas["operations"]["TestResult"];
type Step = Result["steps"][number];

const icons = { ok: CheckCircleFilled, warning: ExclamationCircleFilled, failed: CloseCircleFilled };

/** A button that tries something and shows how it went. */
export function TrialButton({ title, hint, run, button, children }: { title: string; hint?: string; run: () => Promise<Result>; button?: ButtonProps; children: ReactNode }) {
  const t = useText();
  const [open, setOpen] = useState(false);
  const [result, setResult] = useState<Result>();
  const [error, setError] = useState<unknown>();
  const start = async () => {
    setOpen(true);
    setResult(undefined);
    setError(undefined);
    try {
      setResult(await run());
    } catch (e) {
      setError(e);
    }
  };
  const busy = !result && error === undefined;
  return (
    <>
      <Button {...button} onClick={() => void start()} aria-haspopup="dialog">
        {children}
      </Button>
      <Modal
        open={open}
        title={title}
        onCancel={() => setOpen(false)}
        width={560}
        footer={[
          <Button key="again" disabled={busy} onClick={() => void start()}>
            {t("testAgain")}
          </Button>,
          <Button key="close" type="primary" onClick={() => setOpen(false)}>
            {t("close")}
          </Button>,
        ]}
      >
        <div role="status" className="cn-trial">
          {busy && (
            <p>
              <LoadingOutlined aria-hidden /> {t("testing")} <span className="muted">{hint ?? t("testingHint")}</span>
            </p>
          )}
          {error !== undefined && <Problem error={error} />}
          {result && (
            <>
              <p>
                <strong>{t(`result.${result.level}`)}</strong> <span className="muted">{duration(result.took_seconds, t.lang)}</span>
              </p>
              <Steps steps={result.steps} />
            </>
          )}
        </div>
      </Modal>
    </>
  );
}

function Steps({ steps }: { steps: Step[] }) {
  const t = useText();
  return (
    <ol className="cn-steps">
      {steps.map((s, i) => {
        const Icon = icons[s.level];
        return (
          <li key={i} data-level={s.level}>
            <Icon aria-label={t(`level.${s.level}`)} />
            <div className="grow">
              <div className="row" style={{ justifyContent: "space-between" }}>
                <strong>{[s.part && t.any(`part.${s.part}`, s.part), t.any(`step.${s.name}`, s.name)].filter(Boolean).join(" · ")}</strong>
                {s.took_seconds !== undefined && <span className="small muted">{duration(s.took_seconds, t.lang)}</span>}
              </div>
              {s.detail && <div className="cn-any">{said(s.detail, t.lang)}</div>}
              {s.remedy && <div className="muted">{said(s.remedy, t.lang)}</div>}
            </div>
          </li>
        );
      })}
    </ol>
  );
}
