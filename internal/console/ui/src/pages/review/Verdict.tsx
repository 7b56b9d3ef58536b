import { Button } from "antd";
import type { Decision } from "./decide";
import { useText } from "./texts";

/** The buttons that decide, with their keys. */
export function Verdict({
  decided,
  many,
  domains,
  busy,
  decide,
  link,
}: {
  decided: boolean;
  many: boolean;
  domains: boolean; // whether the caller may ignore whole domains
  busy: boolean;
  decide: (as: Decision) => void;
  link?: () => void;
}) {
  const t = useText();
  if (decided) {
    return (
      <div className="row">
        <Button onClick={() => decide("ask")} loading={busy}>
          {t("ask")}
        </Button>
        <span className="small muted">{t("askHint")}</span>
      </div>
    );
  }
  const key = (k: string) => <kbd aria-hidden>{k}</kbd>;
  const size = many ? "small" : "middle";
  return (
    <div className="row review-verdict" role="group" aria-label={t("decide")}>
      <Button type="primary" size={size} disabled={busy} onClick={() => decide("contact")} aria-keyshortcuts="1" title={t("contactHint")}>
        {t("contact")} {key("1")}
      </Button>
      <Button size={size} disabled={busy} onClick={() => decide("lead")} aria-keyshortcuts="2" title={t("leadHint")}>
        {t("lead")} {key("2")}
      </Button>
      {link && (
        <Button size={size} disabled={busy} onClick={link} aria-keyshortcuts="3" title={t("linkHint")}>
          {t("link")} {key("3")}
        </Button>
      )}
      <Button size={size} disabled={busy} onClick={() => decide("skip")} aria-keyshortcuts="4" title={t("skipHint")}>
        {t("skip")} {key("4")}
      </Button>
      <Button size={size} disabled={busy} onClick={() => decide("ignore")} aria-keyshortcuts="5" title={t("ignoreHint")}>
        {t("ignore")} {key("5")}
      </Button>
      {domains && (
        <Button size={size} disabled={busy} danger onClick={() => decide("domain")} aria-keyshortcuts="6" title={t("domainHint")}>
          {t("domain")} {key("6")}
        </Button>
      )}
    </div>
  );
}
