// What a run waits for, and until when.
import { AuditOutlined, ClockCircleOutlined, MailOutlined, SendOutlined } from "@ant-design/icons";
import { Link } from "react-router";
import type { Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Panel, Time } from "@/kit";
import { say } from "@/pages/rule-flow/words";
import { useText } from "./texts";

type RuleRun = Schemas["automation"]["RuleRun"];

const icons = { time: <ClockCircleOutlined aria-hidden />, reply: <MailOutlined aria-hidden />, approval: <AuditOutlined aria-hidden />, mail: <SendOutlined aria-hidden />, other: <ClockCircleOutlined aria-hidden /> };

export function Waits({ waits, steps }: { waits: RuleRun["waits"]; steps: RuleRun["steps"] }) {
  const t = useText();
  const may = useMay();
  return (
    <Panel title={t("waits")} flush>
      <ul className="plain-list">
        {waits.map((w, i) => {
          const step = steps.find((s) => s.path === w.path);
          return (
            <li key={i}>
              <span style={{ color: "var(--hg-warn)", fontSize: 18 }}>{icons[w.kind]}</span>
              <div className="grow">
                <div>
                  {t.lang === "en" ? t("waitsFor", { what: say(w.text, "en") }) : say(w.text, "zh")}
                  {step && <span className="muted"> · {say(step.label, t.lang)}</span>}
                </div>
                <div className="muted small">
                  {w.until ? (
                    <>
                      {t("atLatest")} <Time at={w.until} show="exact" /> (<Time at={w.until} />)
                    </>
                  ) : (
                    t("noEnd")
                  )}
                </div>
              </div>
              {w.approval && may("approvals.decide") && <Link to={`/approvals?show=${encodeURIComponent(w.approval)}`}>{t("openApproval")}</Link>}
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
