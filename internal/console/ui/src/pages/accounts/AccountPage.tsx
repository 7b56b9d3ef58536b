// One account: what is captured of it and why, how it is enrolled, its mailboxes, and runs that fetch what is missing.
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { api, ok } from "@/api/client";
import { said } from "@/api/said";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, Empty, Facts, Head, number, Panel, State, Time } from "@/kit";
import { CaptureDeeds, EnrolmentDeeds } from "./deeds";
import { Mailboxes } from "./Mailboxes";
import { Runs } from "./Runs";
import { useText } from "./texts";
import { Watched } from "./Watched";
import { AccountState, enrolmentTones, folders, type Detail } from "./words";
import "./accounts.css";

export default function AccountPage() {
  const t = useText();
  const address = useParams().address ?? "";
  const query = useQuery({
    queryKey: ["accounts", "one", address],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/accounts/{address}", { params: { path: { address } }, signal })),
    refetchInterval: 30_000,
  });
  useLiveQueries(["account", "backfill"], ["accounts", "one", address]);
  const a = query.data;
  return (
    <>
      <Head
        back={{ to: "/accounts", title: t("title") }}
        title={
          <span className="row">
            <span className="ac-any">{a?.name || address}</span>
            {a && <AccountState account={a} t={t} />}
          </span>
        }
        actions={a && <CaptureDeeds account={a} />}
      >
        {a?.name && address}
      </Head>
      <Async query={query}>{(account) => <Details account={account} />}</Async>
    </>
  );
}

function Details({ account: a }: { account: Detail }) {
  const t = useText();
  return (
    <div className="stack">
      {a.trouble && (
        <div className="problem" role="alert">
          <span aria-hidden>!</span>
          <div>
            <strong className="ac-any">{said(a.trouble, t.lang)}</strong>
            {a.remedy && <p>{said(a.remedy, t.lang)}</p>}
          </div>
        </div>
      )}
      <div className="ac-two">
        <Capture account={a} />
        <Enrolment account={a} />
      </div>
      {a.watched && <Watched only={a.address} />}
      <Mailboxes boxes={a.mailboxes} />
      <Runs account={a} />
      <Programs account={a} />
    </div>
  );
}

function Capture({ account: a }: { account: Detail }) {
  const t = useText();
  const may = useMay();
  const f = folders(a.capture.folders ?? [], t);
  const pending = a.mailboxes.reduce((n, m) => n + m.pending, 0);
  return (
    <Panel title={t("capture")} extra={may("mail.read") && a.entries > 0 && <Link to={`/messages?account=${encodeURIComponent(a.address)}`}>{t("showMail")}</Link>}>
      <Facts
        rows={[
          [t("policy"), t(`policy.${a.capture.policy}`)],
          [t("why"), a.capture.why_code ? t(`why.${a.capture.why_code}`) : a.capture.why],
          [t("paused"), a.paused && t.rich("pausedBy", { reason: a.paused.reason, who: a.paused.by, time: <Time at={a.paused.at} /> })],
          [t("choices"), a.choices && a.choices.length > 0 && a.choices.map((c) => t.any(`choice.${c}`, c)).join(t.lang === "zh" ? "、" : ", ")],
          [t("foldersTaken"), f.taken],
          [t("foldersLeft"), f.left],
          [t("lastSeen"), a.last_seen_at ? <Time key="l" at={a.last_seen_at} /> : t("neverSeen")],
          [t("entries"), number(a.entries, t.lang)],
          [t("inMailboxes"), t("counts", { captured: a.captured, pending, failed: a.failed })],
        ]}
      />
    </Panel>
  );
}

function Enrolment({ account: a }: { account: Detail }) {
  const t = useText();
  const e = a.enrolment;
  return (
    <Panel title={t("enrolment")}>
      <div className="stack">
        <Facts
          rows={[
            [t("stateTitle"), <State key="s" tone={enrolmentTones[e.state]}>{t(`enrolment.${e.state}`)}</State>],
            [t("meaning"), t(`enrolmentHint.${e.state}`)],
            [t("provider"), a.upstream],
            [t("kind"), e.kind && t.any(`kind.${e.kind}`, e.kind)],
            [t("login"), e.login && e.login !== a.address && e.login],
            [t("gatewayPassword"), e.state === "enrolled" && (e.gateway_password ? t("yes") : t("no"))],
            [t("enrolledAt"), e.enrolled_at && <Time key="t" at={e.enrolled_at} />],
            [t("linkUntil"), e.expires_at && <Time key="x" at={e.expires_at} />],
          ]}
        />
        <EnrolmentDeeds account={a} />
      </div>
    </Panel>
  );
}

function Programs({ account: a }: { account: Detail }) {
  const t = useText();
  return (
    <Panel title={t("programs")} flush>
      {a.programs.length === 0 ? (
        <Empty title={t("noPrograms")}>{t("noProgramsHint")}</Empty>
      ) : (
        <ul className="plain-list">
          {a.programs.map((p) => (
            <li key={p.name + (p.protocol ?? "")}>
              <div className="grow">
                <strong className="ac-any">{p.name}</strong>
                {p.protocol && <span className="muted"> · {t(`protocol.${p.protocol}`)}</span>}
              </div>
              <span className="small muted">
                <Time at={p.last_seen_at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
