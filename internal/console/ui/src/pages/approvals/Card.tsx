// One approval in full: exactly what is decided, who else is asked, and the decision. The decision carries the hash of what is shown here, so that
// nobody says yes to something else.
import { CheckOutlined, CloseOutlined } from "@ant-design/icons";
import { Alert, type ButtonProps } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, type KeyboardEvent } from "react";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import { useMay } from "@/app/session";
import { Async, ConfirmAction, Facts, State, Time } from "@/kit";
import { MailShown } from "@/pages/rule-flow/MailShown";
import { DelegateButton } from "./DelegateButton";
import { useText } from "./texts";
import { approvalTones, Votes } from "./Votes";

type Approval = Schemas["automation"]["Approval"];

export function Card({ id, decided, single }: { id: string; decided: () => void; single?: boolean }) {
  const query = useQuery({ queryKey: ["approvals", "one", id], queryFn: ({ signal }) => ok(api.GET("/api/v1/approvals/{approval}", { params: { path: { approval: id } }, signal })) });
  return (
    <Async query={query} lines={8}>
      {(a) => <Shown approval={a} decided={decided} single={single} />}
    </Async>
  );
}

function Shown({ approval: a, decided, single }: { approval: Approval; decided: () => void; single?: boolean }) {
  const t = useText();
  const may = useMay();
  const card = useRef<HTMLElement>(null);
  // Keys count while the card has the focus, so that nobody decides by typing elsewhere.
  const onKey = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey || (e.target as HTMLElement).closest("input, textarea, [role=dialog]")) return;
    const button = { y: "yes", n: "no", d: "delegate" }[e.key.toLowerCase()];
    if (!button) return;
    e.preventDefault();
    card.current?.querySelector<HTMLButtonElement>(`[data-do=${button}]`)?.click();
  };
  useEffect(() => {
    if (single) card.current?.focus({ preventScroll: true });
  }, [single]);
  const Title = single ? "h1" : "h2";
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the keys are shortcuts of buttons that are inside
    <article className="panel approval" ref={card} tabIndex={-1} onKeyDown={onKey} aria-label={a.title || a.mail?.subject}>
      <header>
        <div className="row">
          <State tone={approvalTones[a.state]}>{t(`state.${a.state}`)}</State>
          <span className="muted">{a.kind === "mail" ? t("kind.mail") : t("kind.step")}</span>
        </div>
        <Title>{a.title || a.mail?.subject || a.rule_name}</Title>
        <Clocks approval={a} />
      </header>
      <div className="approval-body">
        {a.text && <p className="approval-text">{a.text}</p>}
        {a.facts.length > 0 && <Facts rows={a.facts.map((f) => [f.name, <span key={f.name} className="anywhere keep">{f.value}</span>])} />}
        {a.mail && <MailShown mail={a.mail} />}
        <p className="muted small flat">
          {t.rich("askedBy", { rule: may("rules.read") ? <Link to={`/rules/${encodeURIComponent(a.rule)}`}>{a.rule_name}</Link> : a.rule_name, n: a.version })}{" "}
          {may("rules.read") && <Link to={`/runs/${encodeURIComponent(a.run)}`}>{t("openRun")}</Link>}
        </p>
      </div>
      <Votes approval={a} below={single ? 1 : 2} />
      {a.can_decide ? <Decide approval={a} decided={decided} /> : <NoVote approval={a} />}
    </article>
  );
}

function Clocks({ approval: a }: { approval: Approval }) {
  const t = useText();
  const escalated = a.approvers.find((v) => v.escalated);
  return (
    <p className="flat small muted">
      {t.rich("asked", { time: <Time at={a.asked_at} /> })}
      {a.state === "open" ? <> · {t.rich("expires", { time: <Time at={a.expires_at} />, at: <Time at={a.expires_at} show="exact" plain /> })}</> : a.decided_at && <> · {t.rich("decided", { time: <Time at={a.decided_at} /> })}</>}
      {escalated && <> · {t.rich("escalated", { time: <Time at={escalated.asked_at} /> })}</>}
    </p>
  );
}

function NoVote({ approval: a }: { approval: Approval }) {
  const t = useText();
  if (a.mine) return <footer className="muted">{t(`mine.${a.mine}`)}</footer>;
  return <footer className="muted">{t(a.state === "open" ? "notAsked" : "over")}</footer>;
}

function Decide({ approval: a, decided }: { approval: Approval; decided: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const again = () => client.invalidateQueries({ queryKey: ["approvals"] });
  const decide = (decision: "yes" | "no") => async (comment: string) => {
    try {
      await ok(api.POST("/api/v1/approvals/{approval}/decide", { params: { path: { approval: a.id } }, body: { decision, hash: a.hash, ...(comment && { comment }) } }));
    } catch (e) {
      // What is to be decided now is loaded, and the person looks at it again.
      if (e instanceof ApiProblem && e.status === 409) void again();
      throw e;
    }
    await again();
    decided();
  };
  const yes = a.approvers.filter((v) => v.decision === "approved").length;
  const to = a.mail?.to?.length ?? 0;
  const what = a.mail ? t("yes.mail", { n: to + (a.mail.cc?.length ?? 0) + (a.mail.bcc?.length ?? 0) }) : a.need - yes > 1 ? t("yes.more", { n: a.need - yes - 1 }) : t("yes.goesOn");
  const key = (name: string) => ({ "data-do": name, size: "large" }) as ButtonProps;
  return (
    <footer>
      {a.need > 1 && <Alert type="info" showIcon title={t("need", { n: a.need, yes })} style={{ marginBottom: 12 }} />}
      <div className="row">
        <ConfirmAction title={t("yes.title", { what: a.title || (a.mail?.subject ?? "") })} text={what} reason="optional" confirm={t("yes")} action={decide("yes")} button={{ ...key("yes"), type: "primary", icon: <CheckOutlined aria-hidden /> }}>
          {t("yes")} <kbd className="wide-only">Y</kbd>
        </ConfirmAction>
        <ConfirmAction title={t("no.title", { what: a.title || (a.mail?.subject ?? "") })} text={a.mail ? t("no.mail") : t("no.text")} reason={a.needs_comment ? "required" : "optional"} confirm={t("no")} danger action={decide("no")} button={{ ...key("no"), icon: <CloseOutlined aria-hidden /> }}>
          {t("no")} <kbd className="wide-only">N</kbd>
        </ConfirmAction>
        <span className="grow" />
        <DelegateButton approval={a} done={() => void again().then(decided)} />
      </div>
    </footer>
  );
}
