import { Link } from "react-router";
import type { Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Time } from "@/kit";
import { useText } from "./texts";

/** What a choice would have kept out of late. */
export function Preview({ of }: { of: Schemas["mail"]["PrivacyPreview"] }) {
  const t = useText();
  const may = useMay();
  return (
    <div className="my-preview" role="status">
      <strong>{of.kept_out ? t("wouldKeep", { kept: of.kept_out, looked: of.looked }) : t("wouldKeepNone", { looked: of.looked })}</strong>{" "}
      <span className="muted small">{t.rich("lookedSince", { time: <Time at={of.since} /> })}</span>
      {of.examples.length > 0 && (
        <ul>
          {of.examples.map((m, i) => (
            <li key={i}>
              {m.message_key && may("mail.read") ? (
                <Link to={`/messages/${encodeURIComponent(m.message_key)}`}>
                  <bdi>{m.subject || t("noSubject")}</bdi>
                </Link>
              ) : (
                <bdi>{m.subject || t("noSubject")}</bdi>
              )}{" "}
              <span className="muted small">
                <Time at={m.at} />
              </span>
            </li>
          ))}
        </ul>
      )}
      <p className="muted small">{t("previewHint")}</p>
    </div>
  );
}
