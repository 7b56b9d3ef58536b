// One mail, read: who, when, what, what is attached, and where it went.
import { DownOutlined, QuestionCircleOutlined, RobotOutlined } from "@ant-design/icons";
import { Button, Tooltip } from "antd";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { useMay } from "@/app/session";
import { Async, number, State, Time } from "@/kit";
import { Attachments } from "./Attachments";
import { Body } from "./Body";
import { Deliveries } from "./Deliveries";
import { People, Person } from "./People";
import { messageQuery, type Message } from "./query";
import { Restrict, Withdraw } from "./TakeBack";
import { Tags } from "./Tags";
import { useText } from "./texts";

/** A mail by its key. fold: closes it again, where it stands in a conversation. */
export function Letter({ messageKey, fold }: { messageKey: string; fold?: () => void }) {
  const query = useQuery(messageQuery(messageKey));
  return (
    <article className="letter">
      <Async query={query} lines={7}>
        {(m) => <Open m={m} fold={fold} />}
      </Async>
    </article>
  );
}

function Open({ m, fold }: { m: Message; fold?: () => void }) {
  const t = useText();
  const from = m.people.filter((p) => p.role === "from");
  return (
    <>
      <header>
        <span className="avatar" aria-hidden>
          {initial(from[0]?.name || from[0]?.address)}
        </span>
        <div className="grow">
          <div className="people">
            {from.length ? from.map((p, i) => <Person key={i} who={p} />) : <span className="muted">{t("noSender")}</span>}
            {from[0]?.name && <span className="muted small cut">{from[0].address}</span>}
          </div>
          <People people={m.people} as="to" />
          <People people={m.people} as="cc" />
          <People people={m.people} as="bcc" />
        </div>
        <div className="letter-when">
          <span className="muted small">
            {t(`direction.${m.direction}`)} · <Time at={m.sent_at} />
          </span>
          {fold && <Button size="small" type="text" icon={<DownOutlined aria-hidden />} aria-label={t("fold")} onClick={fold} />}
        </div>
      </header>
      <Notices m={m} />
      <Body m={m} />
      <Attachments list={m.attachments} />
      <Suggestions m={m} />
      <Where m={m} />
      <Actions m={m} />
    </>
  );
}

const initial = (name = "") => /\p{L}|\p{N}/u.exec(name)?.[0].toUpperCase() ?? "?";

function Notices({ m }: { m: Message }) {
  const t = useText();
  const f = m.flags ?? {};
  const notes = [
    f.withdrawn && <State key="w" tone="warn">{t("flag.withdrawn")}</State>,
    f.unconfirmed && <State key="u" tone="warn">{t("flag.unconfirmed")}</State>,
    f.automated && (
      <State key="a">
        <RobotOutlined aria-hidden /> {t("flag.automated")}
      </State>
    ),
    m.protection && <State key="p" tone="info">{t.any(`protection.${m.protection}`, m.protection)}</State>,
    m.masked?.length && <State key="m">{t("flag.masked")}</State>,
    m.parse_flags?.length && (
      <Tooltip key="q" title={m.parse_flags.join(", ")}>
        <span>
          <State tone="warn">{t("flag.parse")}</State>
        </span>
      </Tooltip>
    ),
  ].filter(Boolean);
  return notes.length ? <div className="row notices">{notes}</div> : null;
}

/** Where the mail went, tags, and the way to its whole story. */
function Where({ m }: { m: Message }) {
  const t = useText();
  const may = useMay();
  const entry = m.sightings[0]?.entry;
  const there = m.deliveries.some((d) => d.state === "mirrored");
  return (
    <section className="letter-where" aria-label={t("inCRM")}>
      <h3>{t("inCRM")}</h3>
      {m.deliveries.length ? <Deliveries list={m.deliveries} /> : <p className="muted">{t("noDeliveries")}</p>}
      <div className="row">
        {may("ledger.read") && entry && (
          <Link to={`/where?entry=${encodeURIComponent(entry)}`}>
            <QuestionCircleOutlined aria-hidden /> {there ? t("whyThere") : t("whyNotThere")}
          </Link>
        )}
        <span className="muted small">{t("copies", { list: [...new Set(m.sightings.map((s) => s.account))].join(t.lang === "zh" ? "、" : ", ") })}</span>
      </div>
      <Tags m={m} />
    </section>
  );
}

function Suggestions({ m }: { m: Message }) {
  const t = useText();
  const list = m.suggestions.filter((s) => s.dimension !== "tag" || !m.tags.includes(s.label));
  if (!list.length) return null;
  return (
    <section className="letter-where" aria-label={t("suggestions")}>
      <h3>{t("suggestions")}</h3>
      <ul className="deliveries">
        {list.map((s, i) => (
          <li key={i}>
            <State tone="info">
              {t.any(`dimension.${s.dimension}`, s.dimension)}
              {t("colon")}
              {s.label}
            </State>
            {Number(s.probability) > 0 && <span className="muted small">{t("sure", { percent: `${number(Math.round(Number(s.probability) * 100), t.lang)}%` })}</span>}
            {s.evidence.length > 0 && (
              <span className="muted small">
                “<bdi>{s.evidence.slice(0, 3).join("”, “")}</bdi>”
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Actions({ m }: { m: Message }) {
  const t = useText();
  const may = useMay();
  const gone = m.flags?.withdrawn;
  return (
    <footer className="row">
      {may("mail.withdraw") && !gone && m.mine && <Restrict messageKey={m.key} people={m.people} />}
      {may("mail.withdraw") && !gone && <Withdraw messageKey={m.key} />}
      {may("mail.raw") && m.raw_url?.startsWith("/api/") && (
        <Button size="small" href={m.raw_url} download title={t("rawHint")}>
          {t("raw")}
        </Button>
      )}
    </footer>
  );
}
