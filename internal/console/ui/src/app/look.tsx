// How everything looks: colours, light and dark, and Ant Design set up with them.
import { App as Antd, ConfigProvider, theme as antdTheme, type ThemeConfig } from "antd";
import enUS from "antd/locale/en_US";
import zhCN from "antd/locale/zh_CN";
import dayjs from "dayjs";
import "dayjs/locale/zh-cn";
import { useEffect, useMemo, useSyncExternalStore, type ReactNode } from "react";
import { useLang } from "@/lang";

export type Mode = "system" | "light" | "dark";

const stored = "heliograph.mode";
const listeners = new Set<() => void>();
const system = window.matchMedia("(prefers-color-scheme: dark)");
const reduced = window.matchMedia("(prefers-reduced-motion: reduce)");

function kept(): Mode {
  try {
    const m = localStorage.getItem(stored);
    return m === "light" || m === "dark" ? m : "system";
  } catch {
    return "system";
  }
}

let mode = kept();
const dark = () => mode === "dark" || (mode === "system" && system.matches);

function apply() {
  document.documentElement.dataset.theme = dark() ? "dark" : "light";
  for (const f of listeners) f();
}
apply();
system.addEventListener("change", apply);
reduced.addEventListener("change", apply);

/** Light, dark, or as the system has it; kept in this browser. */
export function setMode(next: Mode) {
  mode = next;
  try {
    localStorage.setItem(stored, next);
  } catch {
    // It then holds until the page is loaded again.
  }
  apply();
}

function subscribe(f: () => void) {
  listeners.add(f);
  return () => listeners.delete(f);
}
export const useMode = () => useSyncExternalStore(subscribe, () => mode);
export const useDark = () => useSyncExternalStore(subscribe, dark);

/** Whether this person's system asks for pages that hold still. */
export const still = () => reduced.matches;

const font =
  '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", "PingFang SC", "HarmonyOS Sans SC", MiSans, ' +
  '"Microsoft YaHei UI", "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", sans-serif';
const mono =
  'ui-monospace, SFMono-Regular, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", "PingFang SC", "Microsoft YaHei UI", monospace';

const common: ThemeConfig["token"] = {
  fontFamily: font,
  fontFamilyCode: mono,
  fontSize: 14,
  borderRadius: 6,
  borderRadiusLG: 10,
  controlHeight: 32,
  motionDurationMid: "0.12s",
  motionDurationSlow: "0.18s",
  wireframe: false,
};

const light: ThemeConfig["token"] = {
  colorPrimary: "#0f5f6b",
  colorInfo: "#0f5f6b",
  colorLink: "#0b6472",
  colorLinkHover: "#084c57", // the lighter one that would be derived is too faint to read
  colorLinkActive: "#063d46",
  colorSuccess: "#217a43",
  colorWarning: "#a86400",
  colorError: "#b8322a",
  colorText: "#1b2528",
  colorTextSecondary: "#566469",
  colorTextTertiary: "#647277",
  colorTextPlaceholder: "#6b787d",
  colorBgLayout: "#f5f7f6",
  colorBorder: "#d3dad9",
  colorBorderSecondary: "#e4e9e8",
};

const night: ThemeConfig["token"] = {
  colorPrimary: "#4cb0bf",
  colorInfo: "#4cb0bf",
  colorLink: "#6cc3cf",
  colorLinkHover: "#93d6df",
  colorLinkActive: "#4cb0bf",
  colorSuccess: "#5fb67e",
  colorWarning: "#d9a13c",
  colorError: "#e8776d",
  colorText: "#e3e9e8",
  colorTextSecondary: "#a5b2b3",
  colorTextTertiary: "#95a3a5",
  colorTextPlaceholder: "#8b999b",
  colorBgLayout: "#101617",
  colorBgContainer: "#171f20",
  colorBgElevated: "#1e2829",
  colorBorder: "#364244",
  colorBorderSecondary: "#273132",
};

const components: ThemeConfig["components"] = {
  Button: { primaryShadow: "none", defaultShadow: "none", dangerShadow: "none", fontWeight: 500 },
  Form: { itemMarginBottom: 18, verticalLabelPadding: "0 0 4px" },
  Card: { headerFontSize: 15, headerHeight: 46, bodyPadding: 16, headerPadding: 16 },
  Modal: { titleFontSize: 17 },
  Tabs: { horizontalMargin: "0 0 16px 0" },
};

const lightTheme: ThemeConfig = { token: { ...common, ...light }, components };
const darkTheme: ThemeConfig = {
  algorithm: antdTheme.darkAlgorithm,
  token: { ...common, ...night },
  // Dark text on the brighter primary: white on it is too faint to read.
  components: { ...components, Button: { ...components.Button, primaryColor: "#06181b", dangerColor: "#2a0805", colorError: "#ec8a80", colorErrorHover: "#f3a49c", colorErrorBorderHover: "#f3a49c" } },
};

export function Look({ children }: { children: ReactNode }) {
  const lang = useLang();
  const isDark = useDark();
  const isStill = useSyncExternalStore(subscribe, still);
  const theme = useMemo(() => {
    const chosen = isDark ? darkTheme : lightTheme;
    // Ant Design must know that nothing moves (app.css): it would wait for the end of animations that never begin.
    return { ...chosen, token: { ...chosen.token, motion: !isStill } };
  }, [isDark, isStill]);
  useEffect(() => void dayjs.locale(lang === "zh" ? "zh-cn" : "en"), [lang]);
  return (
    <ConfigProvider
      theme={theme}
      locale={lang === "zh" ? zhCN : enUS}
      button={{ autoInsertSpace: false }}
      form={{ requiredMark: "optional", scrollToFirstError: true }}
    >
      <Antd component={false} message={{ maxCount: 3 }}>
        {children}
      </Antd>
    </ConfigProvider>
  );
}
