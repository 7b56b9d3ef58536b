// Who is asked, and what each said.
import { ArrowRightOutlined, CheckCircleFilled, ClockCircleOutlined, CloseCircleFilled } from "@ant-design/icons";
import type { Schemas } from "@/api/client";
import { Time, type Tone } from "@/kit";
import { useText } from "./texts";

type Approval = Schemas["automation"]["Approval"];

export const approvalTones: Record<Approval["state"], Tone> = { open: "warn", approved: "good", refused: "bad", expired: "plain", ended: "plain" };

const icons = {
  approved: <CheckCircleFilled aria-hidden style={{ color: "var(--hg-good)" }} />,
  refused: <CloseCircleFilled aria-hidden style={{ color: "var(--hg-bad)" }} />,
  delegated: <ArrowRightOutlined aria-hidden style={{ color: "var(--hg-muted)" }} />,
};

/** below: the level of the heading that it stands under. */
export function Votes({ approval: a, below }: { approval: Approval; below: 1 | 2 }) {
  const t = useText();
  const Heading = below === 1 ? "h2" : "h3";
  return (
    <section className="votes" aria-label={t("votes")}>
      <Heading>
        {t("votes")} <span className="muted small">{t("needed", { n: a.need })}</span>
      </Heading>
      <ul>
        {a.approvers.map((v) => (
          <li key={v.person}>
            {v.decision ? icons[v.decision] : <ClockCircleOutlined aria-hidden style={{ color: "var(--hg-warn)" }} />}
            <div>
              <span title={v.person}>{v.name || v.person}</span> <strong>{v.decision ? t(`said.${v.decision}`) : a.state === "open" ? t("said.nothing") : t("said.never")}</strong>
              <span className="muted small">
                {" "}
                <Time at={v.decided_at ?? v.asked_at} />
                {v.via && <> · {t.any(`via.${v.via.replace(" ", "-")}`, v.via)}</>}
                {v.escalated && <> · {t("said.escalated")}</>}
                {v.from && <> · {t("said.from", { who: v.from })}</>}
              </span>
              {v.comment && <blockquote>{v.comment}</blockquote>}
            </div>
          </li>
        ))}
      </ul>
      {Boolean(a.initiators?.length) && <p className="muted small flat">{t("initiators", { who: a.initiators!.join(t.lang === "zh" ? "、" : ", ") })}</p>}
    </section>
  );
}
