// How a mail will look, with a real message or with samples; HTML in a sandboxed frame only.
import { DesktopOutlined, MobileOutlined } from "@ant-design/icons";
import { Segmented } from "antd";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { Problem } from "@/kit";
import { useEditor, useWords } from "./editor";
import { asObj, asText, get, texts, type Path } from "./json";
import { MessagePicker } from "./MessagePicker";
import { useText } from "../texts";

type Kind = Schemas["automation"]["TemplateKind"];

function useShown(kind: Kind, template: string, step: string, message: string) {
  const { rule } = useEditor();
  const t = useText();
  const late = useDeferredValue(template);
  return useQuery({
    queryKey: ["template", kind, late, message, t.lang, asText(asObj(rule.trigger).type)],
    queryFn: ({ signal }) => ok(api.POST("/api/v1/templates/preview", { body: { kind, template: late, rule: rule as Schemas["automation"]["RuleBody"], step, ...(message && { message_id: message }), samples: true, lang: t.lang }, signal })),
    enabled: late !== "",
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}

export function MailPreview({ at }: { at: Path }) {
  const t = useText();
  const words = useWords();
  const { rule } = useEditor();
  const [message, setMessage] = useState("");
  const [wide, setWide] = useState<"desktop" | "phone">("desktop");
  const step = asText(get(rule, [...at, "id"]));
  const w = asObj(get(rule, [...at, "with"]));
  const html = asText(w.html);
  const to = useShown("addresses", texts(w.to).filter((x) => !x.startsWith("role:")).join(", "), step, message);
  const subject = useShown("subject", asText(w.subject), step, message);
  const text = useShown(html ? "html" : "text", html || asText(w.text), step, message);
  const reply = get(rule, [...at, "do"]) === "reply";
  const problems = [subject, text].flatMap((q) => q.data?.problems ?? []);
  const error = to.error ?? subject.error ?? text.error;
  return (
    <aside className="rd-preview" aria-label={t("preview")}>
      <div className="row">
        <div className="grow">
          <MessagePicker value={message} onChange={setMessage} label={t("previewWith")} none={t("previewSamples")} />
        </div>
        <Segmented
          aria-label={t("previewWidth")}
          value={wide}
          onChange={(v) => setWide(v as "desktop" | "phone")}
          options={[
            { value: "desktop", icon: <DesktopOutlined aria-label={t("desktop")} /> },
            { value: "phone", icon: <MobileOutlined aria-label={t("phone")} /> },
          ]}
        />
      </div>
      {error !== null && <Problem error={error} />}
      <article data-width={wide}>
        <dl>
          {!reply && (
            <>
              <dt>{t("param.to")}</dt>
              <dd>{[to.data?.output, ...texts(w.to).filter((x) => x.startsWith("role:"))].filter(Boolean).join(", ") || "–"}</dd>
            </>
          )}
          <dt>{t("param.subject")}</dt>
          <dd>
            <strong>{asText(w.subject) ? (subject.data?.output ?? "…") : reply ? t("replySubject") : "–"}</strong>
          </dd>
        </dl>
        {html && text.data?.html_url ? <iframe sandbox="" title={t("preview")} src={text.data.html_url} /> : <div className="rd-mailtext">{(html || asText(w.text)) && text.data?.output}</div>}
      </article>
      {problems.map((p, i) => (
        <div className="rd-problem" data-severity={p.severity} key={i}>
          {words(p.text)}
        </div>
      ))}
    </aside>
  );
}
