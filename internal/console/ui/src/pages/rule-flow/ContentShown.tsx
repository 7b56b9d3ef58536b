// What an effect is to do, for people: the mail, the message to a group, the ticket, the fields of a record.
import { Tag } from "antd";
import type { Schemas } from "@/api/client";
import { Facts } from "@/kit";
import { MailShown } from "./MailShown";
import { useText, type Text } from "./texts";

type Content = Schemas["automation"]["EffectContent"];

export function ContentShown({ content }: { content: Content }) {
  const t = useText();
  const { notice } = content;
  if (content.mail) return <MailShown mail={content.mail} />;
  if (notice) {
    return (
      <>
        <Facts rows={[[t("content.channel"), notice.channel], ...(notice.facts ?? []).map((f): [string, string] => [f.name, f.value]), [t("content.mentions"), notice.mentions?.join(", ")]]} />
        {notice.text && <pre className="mail-text">{notice.text}</pre>}
      </>
    );
  }
  const rest = content.ticket ?? content.record ?? content.tags ?? content.webhook ?? content.append ?? content.question;
  return rest ? <Values values={rest} /> : <p className="muted">{t("content.none")}</p>;
}

/** Names and values as rows; what lies inside an object stands below its name. names: labels by name. */
export function Values({ values, names }: { values: Record<string, unknown>; names?: Record<string, string> }) {
  const t = useText();
  const rows = Object.entries(values).filter(([, v]) => v !== null && v !== "" && !(Array.isArray(v) && !v.length));
  if (!rows.length) return <p className="muted">{t("content.none")}</p>;
  return <Facts rows={rows.map(([name, value]) => [names?.[name] ?? t.any(`field.${name}`, name), <Value key={name} value={value} t={t} />])} />;
}

function Value({ value, t }: { value: unknown; t: Text }) {
  if (typeof value === "boolean") return value ? t("yes") : t("no");
  if (Array.isArray(value)) {
    if (value.every((v) => typeof v !== "object")) return <span className="row">{value.map((v, i) => <Tag key={i}>{String(v)}</Tag>)}</span>;
    return (
      <ol className="values">
        {value.slice(0, 50).map((v, i) => (
          <li key={i}>
            <Value value={v} t={t} />
          </li>
        ))}
      </ol>
    );
  }
  if (value && typeof value === "object") {
    const o = value as Record<string, unknown>;
    if (typeof o.name === "string" && "value" in o) return <span>{`${o.name}: ${String(o.value)}`}</span>;
    if (typeof o.address === "string") return <span className="anywhere">{o.name ? `${String(o.name)} <${o.address}>` : o.address}</span>;
    return <Values values={o} />;
  }
  return <span className="anywhere keep">{String(value)}</span>;
}
