// Shows where a link of a mail really leads before it is followed.
import { ExportOutlined, WarningOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useLocation } from "react-router";
import { Copy, Empty } from "@/kit";
import { fromHash } from "./links";
import { useText } from "./texts";
import "./mail.css";

export default function LinkPage() {
  const t = useText();
  const url = fromHash(useLocation().hash);
  return (
    <main className="link-page">
      <h1>{t("link.title")}</h1>
      {url ? (
        <>
          <p className="muted">{t("link.hint")}</p>
          {url.protocol === "mailto:" ? <p className="link-host">{decode(url.pathname)}</p> : <p className="link-host">{url.host}</p>}
          <p className="link-whole mono">
            {url.href} <Copy text={url.href} />
          </p>
          {/(^|\.)xn--/.test(url.host) && (
            <p className="link-warning">
              <WarningOutlined aria-hidden /> {t("link.foreign")}
            </p>
          )}
          {(url.username || url.password) && (
            <p className="link-warning">
              <WarningOutlined aria-hidden /> {t("link.disguised", { host: url.host })}
            </p>
          )}
          {url.protocol === "http:" && (
            <p className="link-warning">
              <WarningOutlined aria-hidden /> {t("link.plain")}
            </p>
          )}
          <div className="row">
            <Button type="primary" href={url.href} rel="noopener noreferrer nofollow" icon={<ExportOutlined aria-hidden />}>
              {t("link.open")}
            </Button>
            <Button onClick={() => window.close()}>{t("link.stay")}</Button>
          </div>
        </>
      ) : (
        <Empty title={t("link.none")}>{t("link.noneHint")}</Empty>
      )}
    </main>
  );
}

function decode(text: string) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
