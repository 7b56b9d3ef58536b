// The same page for who got a link: no sign-in, and the link opens once.
import { Button } from "antd";
import { useEffect, useState } from "react";
import { useLocation } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { LangSwitch, ModeSwitch } from "@/app/Shell";
import { Head, Loading, Panel, Problem } from "@/kit";
import "./onboarding.css";
import { Settings } from "./Settings";
import { useText } from "./texts";

type Onboarding = Schemas["exchange"]["Onboarding"];

// A link opens once. Loading the page again, or coming back to it, must not lose what it showed; it is gone with the tab.
const kept = "heliograph.onboarding";
interface Kept {
  token: string;
  settings: Onboarding;
}

function remembered(token: string): Onboarding | undefined {
  try {
    const k = JSON.parse(sessionStorage.getItem(kept) ?? "null") as Kept | null;
    return k && (!token || k.token === token) ? k.settings : undefined;
  } catch {
    return undefined;
  }
}

export default function FromLink() {
  const t = useText();
  const token = useLocation().hash.slice(1);
  const [settings, setSettings] = useState(() => remembered(token));
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    const robots = document.createElement("meta");
    robots.name = "referrer";
    robots.content = "no-referrer";
    document.head.append(robots);
    return () => robots.remove();
  }, []);

  const open = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const o = await ok(api.POST("/api/v1/onboarding/redeem", { body: { token } }));
      try {
        sessionStorage.setItem(kept, JSON.stringify({ token, settings: o } satisfies Kept));
      } catch {
        // A browser that keeps nothing: it is shown until the page is left.
      }
      setSettings(o);
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="onboarding-page">
      <header className="row">
        <span className="brand">
          <img src="/icon.svg" alt="" />
          {settings?.display_name ?? "Heliograph"}
        </span>
        <span className="grow" />
        <ModeSwitch />
        <LangSwitch />
      </header>
      <main id="main">
        <Head title={t("title")}>{settings ? t("hint") : t("linkHint")}</Head>
        {settings ? (
          <Settings of={settings} />
        ) : (
          <Panel title={t("yourSettings")}>
            {busy && <Loading lines={4} />}
            {!busy && error === undefined && <p style={{ marginTop: 0 }}>{token ? t("openHint") : t("noToken")}</p>}
            {error !== undefined && <Problem error={error} style={{ marginBottom: 12 }} />}
            {token && !busy && (
              <Button type="primary" size="large" onClick={() => void open()}>
                {error === undefined ? t("open") : t("openAgain")}
              </Button>
            )}
          </Panel>
        )}
      </main>
    </div>
  );
}
