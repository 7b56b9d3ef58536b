import { Segmented } from "antd";
import { useState } from "react";
import { Empty } from "@/kit";
import type { Message } from "./query";
import { useText } from "./texts";
import { Words } from "./Words";

const stored = "heliograph.mail.view";
type View = "text" | "html";

function kept(): View {
  try {
    return localStorage.getItem(stored) === "html" ? "html" : "text";
  } catch {
    return "text";
  }
}

/** The words of a mail, as text or as it was laid out. What was laid out is shown in a sandbox that can run and fetch nothing. */
export function Body({ m }: { m: Message }) {
  const t = useText();
  const [view, setView] = useState<View>(kept);
  if (m.body && m.body !== "kept") return <Empty title={t(`body.${m.body}`)}>{t(`bodyHint.${m.body}`)}</Empty>;
  const html = m.html_url?.startsWith("/api/") ? m.html_url : undefined;
  const choose = (v: View) => {
    setView(v);
    try {
      localStorage.setItem(stored, v);
    } catch {
      // It then holds for this mail only.
    }
  };
  const empty = !m.text.some((b) => b.text.trim());
  return (
    <div className="mail-body">
      {html && (
        <Segmented<View>
          size="small"
          aria-label={t("view")}
          value={view}
          onChange={choose}
          options={[
            { value: "text", label: t("view.text") },
            { value: "html", label: t("view.html") },
          ]}
        />
      )}
      {html && view === "html" ? (
        <>
          <iframe className="mail-html" sandbox="allow-popups allow-popups-to-escape-sandbox" src={html} title={t("frame")} referrerPolicy="no-referrer" loading="lazy" />
          <p className="muted small">{t("frameHint")}</p>
        </>
      ) : empty ? (
        <p className="muted">{t("noWords")}</p>
      ) : (
        <Words blocks={m.text} />
      )}
      {m.text_truncated && <p className="muted small">{t("truncated")}</p>}
    </div>
  );
}
