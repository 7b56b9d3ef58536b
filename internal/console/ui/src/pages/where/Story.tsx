// The story of a mail: what became of it in one sentence, then all that happened, in order.
import { CheckCircleFilled, ClockCircleFilled, CloseCircleFilled, EyeInvisibleFilled, InfoCircleFilled, QuestionCircleFilled, RollbackOutlined } from "@ant-design/icons";
import type { ComponentType } from "react";
import { Link } from "react-router";
import type { Schemas } from "@/api/client";
import { Copy, Panel, type Tone } from "@/kit";
import { Event } from "./Event";
import { Likely } from "./Likely";
import { useText } from "./texts";

type StoryOf = Schemas["mail"]["Story"];

const looks: Record<StoryOf["outcome"], [ComponentType<{ "aria-hidden"?: boolean }>, Tone]> = {
  mirrored: [CheckCircleFilled, "good"],
  waiting: [ClockCircleFilled, "info"],
  failed: [CloseCircleFilled, "bad"],
  excluded: [EyeInvisibleFilled, "plain"],
  refused: [CloseCircleFilled, "bad"],
  withdrawn: [RollbackOutlined, "plain"],
  captured: [InfoCircleFilled, "info"],
  unseen: [QuestionCircleFilled, "warn"],
};

export function Story({ story, asks }: { story: StoryOf; asks: { account?: string } }) {
  const t = useText();
  const [Icon, tone] = looks[story.outcome];
  const past = story.events.filter((e) => !e.planned);
  const planned = story.events.filter((e) => e.planned);
  const several = (story.accounts?.length ?? 0) > 1;
  return (
    <div className="stack where-story">
      <section className="outcome panel" data-tone={tone} aria-label={t("outcome")}>
        <Icon aria-hidden />
        <div className="grow">
          <h2>{t(`outcome.${story.outcome}`)}</h2>
          <p>{t(`outcome.${story.outcome}.text`)}</p>
          {story.subject !== undefined && (
            <p>
              {story.message_key ? (
                <Link to={`/messages/${encodeURIComponent(story.message_key)}`}>
                  <bdi>{story.subject || t("noSubject")}</bdi>
                </Link>
              ) : (
                <bdi>{story.subject || t("noSubject")}</bdi>
              )}
            </p>
          )}
          <p className="muted small">
            {story.accounts?.length ? `${t("inMailboxes", { list: story.accounts.join(t.lang === "zh" ? "、" : ", ") })} ` : ""}
            {story.message_id && (
              <>
                <span className="mono">
                  <bdi>&lt;{story.message_id}&gt;</bdi>
                </span>
                <Copy text={`<${story.message_id}>`} label={t("copyId")} />
              </>
            )}
          </p>
        </div>
      </section>
      {past.length > 0 && (
        <Panel title={t("happened")}>
          <ol className="events">
            {past.map((e, i) => (
              <Event key={i} e={e} account={several} before={past[i - 1]?.at} />
            ))}
          </ol>
          {story.truncated && <p className="muted small">{t("truncated")}</p>}
        </Panel>
      )}
      {planned.length > 0 && (
        <Panel title={t("next")}>
          <ol className="events">
            {planned.map((e, i) => (
              <Event key={i} e={e} account={several} />
            ))}
          </ol>
        </Panel>
      )}
      {story.likely.length > 0 && <Likely list={story.likely} account={asks.account} />}
    </div>
  );
}
