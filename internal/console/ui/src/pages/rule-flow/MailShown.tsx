// A mail as its readers will see it: the head as text, the HTML in a frame that can do nothing.
import { PaperClipOutlined } from "@ant-design/icons";
import type { Schemas } from "@/api/client";
import { Facts, size } from "@/kit";
import { useText } from "./texts";
import { personText } from "./words";
import "./flow.css";

type Mail = Schemas["automation"]["MailContent"];
type Person = Schemas["automation"]["MailPerson"];

export function MailShown({ mail }: { mail: Mail }) {
  const t = useText();
  return (
    <article className="mail-shown" aria-label={t("mail")}>
      <Facts
        rows={[
          [t("mail.from"), mail.from_name ? personText({ name: mail.from_name, address: mail.as ?? t("mail.defaultSender") }) : mail.as],
          [t("mail.to"), <People key="to" list={mail.to} />],
          [t("mail.cc"), mail.cc?.length ? <People list={mail.cc} /> : undefined],
          [t("mail.bcc"), mail.bcc?.length ? <People list={mail.bcc} /> : undefined],
          [t("mail.replyTo"), mail.reply_to?.length ? <People list={mail.reply_to} /> : undefined],
          [t("mail.subject"), <strong key="subject">{mail.subject || t("mail.noSubject")}</strong>],
          [t("mail.unsubscribe"), mail.unsubscribe],
        ]}
      />
      {mail.html_url?.startsWith("/api/v1/") ? (
        <iframe className="mail-html" sandbox="" src={mail.html_url} title={t("mail.body")} />
      ) : (
        <pre className="mail-text">{mail.text || t("mail.noText")}</pre>
      )}
      {(mail.quote || mail.answers) && <p className="muted small">{mail.quote ? t("mail.quotes") : t("mail.answers")}</p>}
      {Boolean(mail.files?.length) && (
        <ul className="mail-files" aria-label={t("mail.files")}>
          {mail.files!.map((f, i) => (
            <li key={i}>
              <PaperClipOutlined aria-hidden /> {f.name} <span className="muted small">{size(f.size, t.lang)}</span>
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}

function People({ list }: { list: Person[] | undefined }) {
  const t = useText();
  if (!list?.length) return <span className="muted">{t("mail.nobody")}</span>;
  return <span className="anywhere">{list.map(personText).join(t.lang === "zh" ? "，" : ", ")}</span>;
}
