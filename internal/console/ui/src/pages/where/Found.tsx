// The mails that may be meant, where more than one fits.
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { Empty, Listing, State, Time, type Column, type Tone } from "@/kit";
import { Between } from "@/pages/messages/People";
import { DeliveryState } from "@/pages/messages/Deliveries";
import { around } from "./ask";
import { NotHere } from "./Likely";
import { useText } from "./texts";

type Item = Schemas["mail"]["LedgerItem"];
type Summary = Schemas["mail"]["MessageSummary"];
type Step = Schemas["mail"]["LedgerStep"];

export const tones: Record<Step["state"], Tone> = { captured: "info", excluded: "plain", pending: "info", mirrored: "good", failed: "bad", refused: "bad", withdrawn: "plain" };

/** The last state at each CRM; where none was asked, of the mail itself. */
export function lastSteps(steps: Step[]): Step[] {
  const last = new Map(steps.map((s) => [s.target ?? "", s]));
  if (last.size > 1) last.delete("");
  return [...last.values()];
}

export function Steps({ steps }: { steps: Step[] }) {
  const t = useText();
  return (
    <span className="row">
      {lastSteps(steps).map((s) => (
        <State key={s.target ?? ""} tone={tones[s.state]}>
          {s.target && `${s.target}${t("colon")}`}
          {t(`state.${s.state}`)}
        </State>
      ))}
    </span>
  );
}

/** Mails that an address had part in. */
export function Entries({ address, at }: { address: string; at?: string }) {
  const t = useText();
  const span = around(at);
  const columns: Column<Item>[] = [
    {
      key: "mail",
      title: t("mail"),
      card: "first",
      render: (i) => (
        <Link to={`/where?entry=${encodeURIComponent(i.entry)}`} className="where-found">
          {i.subject === undefined ? <span className="muted">{t("noSubjectShown")}</span> : <bdi>{i.subject || t("noSubject")}</bdi>}
        </Link>
      ),
    },
    { key: "account", title: t("mailbox"), render: (i) => i.account ?? "–" },
    { key: "at", title: t("seen"), render: (i) => <Time at={i.captured_at} /> },
    { key: "state", title: t("became"), render: (i) => <Steps steps={i.steps} /> },
  ];
  return (
    <>
      <p className="muted">{at ? t.rich("foundAround", { address: <strong>{address}</strong>, time: <Time at={at} show="exact" /> }) : t.rich("found", { address: <strong>{address}</strong> })}</p>
      <Listing<Item>
        label={t("mails")}
        queryKey={["ledger", "list", address, at]}
        fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/ledger", { params: { query: { address, ...span, limit, cursor } }, signal }))}
        rowKey={(i) => i.entry}
        to={(i) => `/where?entry=${encodeURIComponent(i.entry)}`}
        columns={columns}
        empty={<NotHere account={address} at={at} />}
      />
    </>
  );
}

/** Mails with these words. */
export function Mails({ words, at }: { words: string; at?: string }) {
  const t = useText();
  const span = around(at);
  const to = (m: Summary) => (m.message_id ? `/where?message_id=${encodeURIComponent(m.message_id)}` : `/messages/${encodeURIComponent(m.key)}`);
  const columns: Column<Summary>[] = [
    {
      key: "mail",
      title: t("mail"),
      card: "first",
      render: (m) => (
        <Link to={to(m)} className="where-found">
          <bdi>{m.subject || t("noSubject")}</bdi>
        </Link>
      ),
    },
    { key: "who", title: t("who"), render: (m) => <Between people={m.people} direction={m.direction} /> },
    { key: "at", title: t("sent"), render: (m) => <Time at={m.sent_at} /> },
    { key: "state", title: t("became"), render: (m) => <span className="row">{m.deliveries?.map((d) => <DeliveryState key={d.target} d={d} />)}</span> },
  ];
  return (
    <>
      <p className="muted">{t.rich("foundWords", { words: <strong><bdi>{words}</bdi></strong> })}</p>
      <Listing<Summary>
        label={t("mails")}
        queryKey={["messages", "list", "where", words, at]}
        fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/messages", { params: { query: { q: words.slice(0, 500), ...span, limit, cursor } }, signal }))}
        rowKey={(m) => m.key}
        to={to}
        columns={columns}
        empty={<Empty title={t("noneFound")}>{t("noneFoundHint")}</Empty>}
      />
    </>
  );
}
