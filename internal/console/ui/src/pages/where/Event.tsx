import {
  ApiOutlined,
  BranchesOutlined,
  CloudServerOutlined,
  CloudUploadOutlined,
  EyeInvisibleOutlined,
  HistoryOutlined,
  HourglassOutlined,
  InboxOutlined,
  MailOutlined,
  MergeCellsOutlined,
  RollbackOutlined,
  SafetyOutlined,
  SendOutlined,
  SyncOutlined,
  WarningOutlined,
} from "@ant-design/icons";
import type { ComponentType } from "react";
import { Link } from "react-router";
import type { Schemas } from "@/api/client";
import { said } from "@/api/said";
import { useMay } from "@/app/session";
import { exact, State, Time } from "@/kit";
import { web } from "@/pages/messages/Deliveries";
import { useText } from "./texts";

type StoryEvent = Schemas["mail"]["StoryEvent"];
type Code = StoryEvent["code"];

const icons: Record<Code, ComponentType<{ "aria-hidden"?: boolean }>> = {
  smtp_received: SendOutlined,
  smtp_accepted: CloudServerOutlined,
  smtp_refused: WarningOutlined,
  smtp_unconfirmed: WarningOutlined,
  mailbox_seen: InboxOutlined,
  mailbox_appended: InboxOutlined,
  sealed: SafetyOutlined,
  recognised: MergeCellsOutlined,
  joined: MergeCellsOutlined,
  in_scope: SafetyOutlined,
  excluded: EyeInvisibleOutlined,
  vetoed: EyeInvisibleOutlined,
  excluded_at_target: EyeInvisibleOutlined,
  delivery_asked: CloudUploadOutlined,
  delivery_waiting: HourglassOutlined,
  delivery_held: HourglassOutlined,
  delivered: ApiOutlined,
  delivery_failed: WarningOutlined,
  job_waiting: HourglassOutlined,
  job_running: SyncOutlined,
  job_retry: SyncOutlined,
  job_dead: WarningOutlined,
  withdraw_asked: RollbackOutlined,
  withdrawn: RollbackOutlined,
  rule_ran: BranchesOutlined,
  rule_waits: HourglassOutlined,
  rule_failed: WarningOutlined,
  rule_mail: MailOutlined,
  outbox_waiting: HourglassOutlined,
  outbox_sent: SendOutlined,
  outbox_failed: WarningOutlined,
  bounced: WarningOutlined,
  body_gone: HistoryOutlined,
};

/** Where a remedy is carried out. */
const remedies: Record<string, { to: string; permission: string }> = {
  retry_delivery: { to: "/queue", permission: "queue.read" },
  retry_job: { to: "/queue", permission: "queue.read" },
  review: { to: "/review", permission: "contacts.read" },
  wait_or_fix: { to: "/connections", permission: "targets.read" },
  see_outbox: { to: "/outbox", permission: "outbox.read" },
};

export function Event({ e, account, before }: { e: StoryEvent; account: boolean; before?: string }) {
  const t = useText();
  const Icon = icons[e.code] ?? HistoryOutlined;
  const sameDay = before && new Date(before).toDateString() === new Date(e.at).toDateString();
  return (
    <li className="event" data-level={e.level} data-planned={e.planned || undefined}>
      <span className="event-icon">
        <Icon aria-hidden />
      </span>
      <div className="event-what">
        <div className="event-title">
          <strong>{title(t, e)}</strong>
          {(e.level === "warning" || e.level === "bad") && <State tone={e.level === "warning" ? "warn" : "bad"}>{t(`level.${e.level}`)}</State>}
          {account && e.account && <span className="muted small">{e.account}</span>}
        </div>
        <Details e={e} />
        {e.reason && (
          <blockquote>
            <bdi>{said(e.reason, t.lang)}</bdi>
          </blockquote>
        )}
        <Remedy e={e} />
        <Ways e={e} />
      </div>
      <span className="event-when muted small">
        {e.planned || !sameDay ? <Time at={e.at} show="exact" /> : <time dateTime={e.at} title={exact(e.at, t.lang)}>{clock(e.at)}</time>}
      </span>
    </li>
  );
}

const clock = (at: string) => new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" }).format(new Date(at));

function title(t: ReturnType<typeof useText>, e: StoryEvent) {
  const d = e.data ?? {};
  const words = t.any(`event.${e.code}`, e.title);
  const values: Record<string, string> = { target: e.target ?? "", rule: e.rule ?? "", mailbox: d.mailbox ?? "", recipient: d.recipient ?? "" };
  return words.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}

const told = ["upstream", "program", "client_ip", "recipients", "code", "recipient", "attempts", "server"] as const;

/** Facts in a line: which program, which provider, which answer. */
function Details({ e }: { e: StoryEvent }) {
  const t = useText();
  const d = e.data ?? {};
  const facts = told.filter((k) => d[k] && !(k === "attempts" && d[k] === "0")).map((k) => `${t(`fact.${k}`)} ${d[k]!}`);
  if (e.rule && !["rule_ran", "rule_waits", "rule_failed", "rule_mail"].includes(e.code)) facts.push(t("byRule", { rule: e.rule }));
  return facts.length ? (
    <div className="muted small">
      <bdi>{facts.join(" · ")}</bdi>
    </div>
  ) : null;
}

function Remedy({ e }: { e: StoryEvent }) {
  const t = useText();
  const may = useMay();
  if (!e.remedy) return null;
  const way = e.remedy_code ? remedies[e.remedy_code] : undefined;
  return (
    <p className="event-remedy">
      {t.lang === "en" ? e.remedy : t.any(`do.${e.remedy_code}`, e.remedy)} {way && may(way.permission) && <Link to={way.to}>{t("goThere")}</Link>}
    </p>
  );
}

function Ways({ e }: { e: StoryEvent }) {
  const t = useText();
  const may = useMay();
  const d = e.data ?? {};
  const url = web(d.url);
  return (
    <div className="row small">
      {url && e.target && (
        <a href={url} target="_blank" rel="noopener noreferrer">
          {t("openIn", { target: e.target })}
        </a>
      )}
      {e.run && e.code !== "rule_mail" && may("rules.read") && <Link to={`/runs/${encodeURIComponent(e.run)}`}>{t("seeRun")}</Link>}
      {e.code === "rule_mail" && d.message_id && <Link to={`/where?message_id=${encodeURIComponent(d.message_id)}`}>{t("seeMail")}</Link>}
    </div>
  );
}
