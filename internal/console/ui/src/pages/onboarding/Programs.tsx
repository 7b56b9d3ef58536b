import { AndroidFilled, AppleFilled, DownloadOutlined, MailFilled, MobileFilled, ThunderboltFilled, WindowsFilled } from "@ant-design/icons";
import { Button } from "antd";
import type { ComponentType } from "react";
import type { Schemas } from "@/api/client";
import { Empty, Panel, State, useFilters } from "@/kit";
import { useText } from "./texts";

type Onboarding = Schemas["exchange"]["Onboarding"];
type Guide = Schemas["exchange"]["ProgramGuide"];

const icons: Record<Guide["program"], ComponentType> = {
  thunderbird: ThunderboltFilled,
  outlook: WindowsFilled,
  apple_mail: AppleFilled,
  ios: MobileFilled,
  android: AndroidFilled,
  foxmail: MailFilled,
  netease: MailFilled,
};

/** What most people hold in their hand when they open this. */
function likely(programs: Guide[]): Guide["program"] {
  const agent = navigator.userAgent;
  const guess: Guide["program"] = /iPhone|iPad/.test(agent) ? "ios" : /Android/.test(agent) ? "android" : /Mac OS X/.test(agent) ? "apple_mail" : /Windows/.test(agent) ? "outlook" : "thunderbird";
  return programs.some((p) => p.program === guess) ? guess : programs[0]!.program;
}

/** Choosing a program, and how it is set up. */
export function Programs({ of: o }: { of: Onboarding }) {
  const t = useText();
  const [{ program }, set] = useFilters({ program: "" });
  if (!o.programs.length) {
    return (
      <Panel title={t("choose")}>
        <Empty title={t("noServers")}>{t("noServersHint")}</Empty>
      </Panel>
    );
  }
  const chosen = o.programs.find((p) => p.program === program) ?? o.programs.find((p) => p.program === likely(o.programs))!;
  const apple = chosen.program === "ios" || chosen.program === "apple_mail";
  return (
    <>
      <Panel title={t("choose")}>
        <div className="onboarding-programs" role="group" aria-label={t("choose")}>
          {o.programs.map((p) => {
            const Icon = icons[p.program];
            return (
              <button key={p.program} type="button" aria-pressed={p === chosen} onClick={() => set({ program: p.program })}>
                <Icon aria-hidden />
                <span>{p.name[t.lang]}</span>
              </button>
            );
          })}
        </div>
      </Panel>
      <Panel title={t("stepsFor", { name: chosen.name[t.lang] })} extra={chosen.automatic && <State tone="good">{t("automatic")}</State>}>
        <div className="onboarding-steps">
          <ol>
            {chosen.steps.map((s, i) => (
              <li key={i}>{s[t.lang]}</li>
            ))}
          </ol>
          {apple && o.profile_url && (
            <div className="onboarding-profile">
              {o.qr_svg && <img src={`data:image/svg+xml;charset=utf-8,${encodeURIComponent(o.qr_svg)}`} alt={t("qr")} width={176} height={176} />}
              <span className="small muted">{t("scan")}</span>
              <Button type="primary" icon={<DownloadOutlined aria-hidden />} href={o.profile_url}>
                {t("profile")}
              </Button>
            </div>
          )}
        </div>
      </Panel>
    </>
  );
}
