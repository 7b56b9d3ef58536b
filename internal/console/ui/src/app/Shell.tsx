// The frame of all pages: navigation, head, live connection.
import {
  DesktopOutlined,
  GlobalOutlined,
  LogoutOutlined,
  MenuOutlined,
  MoonOutlined,
  SafetyCertificateOutlined,
  SearchOutlined,
  SunOutlined,
  UserOutlined,
} from "@ant-design/icons";
import { Button, Drawer, Dropdown } from "antd";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link, NavLink, Outlet, useLocation, useNavigate } from "react-router";
import { onSignedOut } from "@/api/query";
import { setLang, useLang } from "@/lang";
import { useCounts, type Count } from "./counts";
import { FreshDialog } from "./Fresh";
import { onEnded, startLive, useLiveState } from "./live";
import { setMode, useMode, type Mode } from "./look";
import { Notes } from "./Notes";
import { groups, type Page } from "./page";
import { Palette } from "./Palette";
import { Remind } from "./Remind";
import { allowed, useSession, useTakeSession } from "./session";
import { useSignOut } from "./signOut";
import { useText } from "./texts";

export function Shell({ pages }: { pages: Page[] }) {
  const t = useText();
  const here = useLocation();
  const main = useRef<HTMLElement>(null);
  const [palette, setPalette] = useState(false);
  const [drawerAt, setDrawerAt] = useState<string>(); // the page that the drawer was opened on: going elsewhere closes it
  const takeSession = useTakeSession();

  useEffect(startLive, []);
  useEffect(() => onSignedOut(() => takeSession(undefined)), [takeSession]);
  // The gateway closed the live connection because the session ended, or may see something else now.
  useEffect(() => onEnded(() => takeSession(undefined)), [takeSession]);
  useEffect(() => {
    const f = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        setPalette((open) => !open);
      }
    };
    window.addEventListener("keydown", f);
    return () => window.removeEventListener("keydown", f);
  }, []);

  // Who goes to another page by keyboard starts at its head, and a screen reader says where one is.
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [here.pathname]);

  return (
    <>
      <a className="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus({ preventScroll: true }))}>
        {t("skip")}
      </a>
      <div className="frame">
        <div className="side">
          <Side pages={pages} />
        </div>
        <Drawer open={drawerAt === here.key} onClose={() => setDrawerAt(undefined)} placement="left" size={272} closable={false} styles={{ body: { padding: 0 } }} aria-label={t("navigation")}>
          <div className="side" style={{ height: "100%", border: 0 }}>
            <Side pages={pages} />
          </div>
        </Drawer>
        <div>
          <header className="top">
            <Button className="burger" type="text" icon={<MenuOutlined aria-hidden />} aria-label={t("navigation")} onClick={() => setDrawerAt(here.key)} />
            <button type="button" className="finder" onClick={() => setPalette(true)} aria-haspopup="dialog">
              <SearchOutlined aria-hidden />
              <span className="grow cut">{t("find")}</span>
              <kbd>Ctrl K</kbd>
            </button>
            <span className="grow wide-only" />
            <LiveDot />
            <Notes />
            <span className="wide-only">
              <ModeSwitch />
              <LangSwitch />
            </span>
            <UserMenu />
          </header>
          <Offline />
          <Remind />
          <main className="main" id="main" ref={main} tabIndex={-1}>
            <Outlet />
          </main>
        </div>
      </div>
      <FreshDialog />
      <Palette open={palette} close={() => setPalette(false)} pages={pages} />
    </>
  );
}

function Side({ pages }: { pages: Page[] }) {
  const t = useText();
  const lang = useLang();
  const session = useSession();
  const counts = useCounts();
  const navs = useMemo(
    () => pages.flatMap((p) => (p.nav && allowed(session, p.nav.permission) ? [p.nav] : [])).sort((a, b) => a.order - b.order),
    [pages, session],
  );
  return (
    <>
      <Link to="/" className="brand">
        <img src="/icon.svg" alt="" />
        Heliograph
      </Link>
      <nav className="nav" aria-label={t("navigation")}>
        {(Object.keys(groups) as (keyof typeof groups)[]).map((g) => {
          const own = navs.filter((n) => n.group === g);
          if (!own.length) return null;
          return (
            <section key={g} aria-label={groups[g][lang] || undefined}>
              {groups[g][lang] && <h2>{groups[g][lang]}</h2>}
              <ul>
                {own.map(({ to, title, icon: Icon, badge: Badge }) => (
                  <li key={to}>
                    <NavLink to={to} end={to === "/"}>
                      <Icon aria-hidden />
                      {title[lang]}
                      {Badge ? <Badge /> : <Waits count={counts[to]} />}
                    </NavLink>
                  </li>
                ))}
              </ul>
            </section>
          );
        })}
      </nav>
    </>
  );
}

/** How many things wait for a person there. */
function Waits({ count }: { count?: Count }) {
  const t = useText();
  if (!count?.n) return null;
  return (
    <span className="badge" data-bad={count.bad || undefined}>
      {count.n > 99 ? "99+" : count.n}
      <span className="unseen">{t("waits")}</span>
    </span>
  );
}

function LiveDot() {
  const t = useText();
  const state = useLiveState();
  return (
    <span className="live-dot wide-only" data-state={state} role="status" title={t.any(`live.${state}.hint`)}>
      <span>{t.any(`live.${state}`)}</span>
    </span>
  );
}

function Offline() {
  const t = useText();
  const [offline, setOffline] = useState(!navigator.onLine);
  useEffect(() => {
    const f = () => setOffline(!navigator.onLine);
    window.addEventListener("online", f);
    window.addEventListener("offline", f);
    return () => {
      window.removeEventListener("online", f);
      window.removeEventListener("offline", f);
    };
  }, []);
  return (
    <div role="status">
      {offline && <div className="banner">{t("offline")}</div>}
    </div>
  );
}

const modeIcons = { system: <DesktopOutlined aria-hidden />, light: <SunOutlined aria-hidden />, dark: <MoonOutlined aria-hidden /> };
const modes: Mode[] = ["system", "light", "dark"];

function useModeItems() {
  const t = useText();
  return modes.map((m) => ({ key: m, icon: modeIcons[m], label: t(`mode.${m}`), onClick: () => setMode(m) }));
}

export function ModeSwitch() {
  const t = useText();
  const mode = useMode();
  return (
    <Dropdown trigger={["click"]} menu={{ items: useModeItems(), selectable: true, selectedKeys: [mode] }}>
      <Button type="text" icon={modeIcons[mode]} aria-label={t("mode")} aria-haspopup="menu" />
    </Dropdown>
  );
}

/** Says the other language in that language, as those who need it read it. */
export function LangSwitch() {
  const lang = useLang();
  const other = lang === "zh" ? "en" : "zh";
  return (
    <Button type="text" icon={<GlobalOutlined aria-hidden />} lang={other === "zh" ? "zh-CN" : "en"} onClick={() => setLang(other)}>
      {other === "zh" ? "中文" : "English"}
    </Button>
  );
}

function UserMenu() {
  const t = useText();
  const lang = useLang();
  const go = useNavigate();
  const { person } = useSession();
  const mode = useMode();
  const modeItems = useModeItems();
  const signOut = useSignOut();
  return (
    <Dropdown
      trigger={["click"]}
      placement="bottomRight"
      menu={{
        selectable: true,
        selectedKeys: [mode],
        items: [
          {
            key: "who",
            type: "group",
            label: (
              <span style={{ display: "block", maxWidth: 240 }}>
                <strong style={{ color: "var(--hg-text)" }}>{person?.name}</strong>
                <br />
                {person?.email} · {t.any(`role.${person?.role}`)}
              </span>
            ),
          },
          { type: "divider" },
          { key: "security", icon: <SafetyCertificateOutlined aria-hidden />, label: t("security"), onClick: () => void go("/me/security") },
          { key: "lang", icon: <GlobalOutlined aria-hidden />, label: lang === "zh" ? "English" : "中文", onClick: () => setLang(lang === "zh" ? "en" : "zh") },
          { key: "mode", type: "group", label: t("mode"), children: modeItems },
          { type: "divider" },
          { key: "out", icon: <LogoutOutlined aria-hidden />, label: t("signOut"), onClick: () => void signOut() },
        ],
      }}
    >
      <Button type="text" icon={<UserOutlined aria-hidden />} aria-label={t("userMenu", { name: person?.name ?? "" })} aria-haspopup="menu">
        <span className="wide-only cut" style={{ maxWidth: 140 }}>
          {person?.name}
        </span>
      </Button>
    </Dropdown>
  );
}
