// A form made of parameters: each input has its label, its problems, and what it means where that is not plain.
import { DownOutlined, RightOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useId, useState, type ReactNode } from "react";
import { concerns, useEditor, useWords, type Parameter } from "./editor";
import { get, type Path } from "./json";
import { Input } from "./Input";
import { Problems } from "./problems";
import { useText } from "../texts";

/** Parameters that are parts of the rule, with an editor of their own. */
const nested = new Set(["steps", "condition", "cases", "branches"]);

/** The label of a parameter: our own words where there are some, or else those of the API up to the first colon. */
export function useParamLabel() {
  const t = useText();
  const words = useWords();
  return (p: Parameter, kind = "") => t.any(`param.${kind}.${p.name}`, t.any(`param.${p.name}`, words(p.label).split(/[：:；;]/)[0]));
}

/** One parameter. at: where its value is; of: where the parameters it depends on are. */
export function Param({ param, at, of, kind, onlyInput }: { param: Parameter; at: Path; of: Path; kind: string; onlyInput?: boolean }) {
  const t = useText();
  const label = useParamLabel()(param, kind);
  const hint = t.any(`hint.${kind}.${param.name}`, t.any(`hint.${param.name}`, ""));
  const id = useId();
  const { problems } = useEditor();
  const bad = problems.some((p) => concerns(p, at) && p.severity === "error");
  const input = <Input param={param} at={at} of={of} label={label} id={id} invalid={bad} describedBy={`${id}-p`} kind={kind} />;
  if (onlyInput) return input;
  return (
    <div className="rd-param" data-at={`/${at.map((k) => String(k).replaceAll("~", "~0").replaceAll("/", "~1")).join("/")}`} data-type={param.type}>
      {param.type !== "boolean" && (
        <label htmlFor={id}>
          {label}
          {!param.required && <span className="muted"> {t("optional")}</span>}
        </label>
      )}
      {input}
      {hint && <div className="rd-hint">{hint}</div>}
      <Problems at={at} id={`${id}-p`} />
    </div>
  );
}

/** All parameters of something; those that few need stand behind "more", unless they have a value or a problem. */
export function Params({ params, at, kind, skip = [], first, rest }: { params: Parameter[]; at: Path; kind: string; skip?: string[]; first?: ReactNode; rest?: ReactNode }) {
  const t = useText();
  const { rule, problems } = useEditor();
  const [more, setMore] = useState(false);
  const shown = params.filter((p) => !nested.has(p.type) && !skip.includes(p.name));
  const hidden = (p: Parameter) => (p.advanced || rarely.has(`${kind}.${p.name}`)) && get(rule, [...at, p.name]) === undefined && !problems.some((x) => concerns(x, [...at, p.name]));
  const behind = shown.filter(hidden);
  return (
    <div className="rd-params">
      {first}
      {shown.filter((p) => !hidden(p)).map((p) => (
        <Param key={p.name} param={p} at={[...at, p.name]} of={at} kind={kind} />
      ))}
      {rest}
      {behind.length > 0 && (
        <>
          <Button type="link" size="small" className="rd-more" icon={more ? <DownOutlined aria-hidden /> : <RightOutlined aria-hidden />} aria-expanded={more} onClick={() => setMore(!more)}>
            {t("moreOptions", { n: behind.length })}
          </Button>
          {more && behind.map((p) => <Param key={p.name} param={p} at={[...at, p.name]} of={at} kind={kind} />)}
        </>
      )}
    </div>
  );
}

// Not many need these; they come when "more" is opened or when they are set.
const rarely = new Set([
  "trigger.groups", "trigger.mailboxes", "trigger.from", "send_mail.cc", "send_mail.bcc", "send_mail.urgent", "send_mail.html", "send_mail.files", "reply.html", "reply.files", "reply.subject", "reply.all", "create_ticket.queue", "create_ticket.requester",
  "create_ticket.fields", "find_records.fields", "approve.escalate_to", "approve.escalate_after", "approve.remind_every", "approve.personal", "approve.mail", "approve.exclude_initiator", "approve.refuse_needs_comment",
  "approve.facts", "notify.facts", "notify.links", "notify.mentions", "batch_send.cc", "batch_send.bcc", "batch_send.urgent", "batch_send.html", "batch_send.files", "wait.until", "wait.plus", "wait.thread", "wait.delivery", "trigger.fields.made", "trigger.on",
  "webhook.hook", "webhook.body", "append.create", "append.flags", "append.html", "append.files", "classify.set_tags", "report.tables", "report.chart", "report.table", "trigger.where",
]);
