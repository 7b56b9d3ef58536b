// The search box and the command palette, which are one: pages, what can be searched for, and commands.
import { ArrowRightOutlined, AuditOutlined, GlobalOutlined, KeyOutlined, LogoutOutlined, MoonOutlined, SearchOutlined, SunOutlined, UserAddOutlined } from "@ant-design/icons";
import { Modal } from "antd";
import { useEffect, useId, useMemo, useRef, useState, type ComponentType } from "react";
import { useNavigate } from "react-router";
import { setLang, useLang } from "@/lang";
import { useFinds } from "./finds";
import { setMode } from "./look";
import { groups, type Page } from "./page";
import { allowed, useSession } from "./session";
import { useSignOut } from "./signOut";
import { useText } from "./texts";

interface Item {
  key: string;
  group: string;
  icon: ComponentType<{ "aria-hidden"?: boolean }>;
  label: string;
  hint?: string;
  run: () => void;
}

export function Palette({ open, close, pages }: { open: boolean; close: () => void; pages: Page[] }) {
  const t = useText();
  return (
    <Modal open={open} onCancel={close} footer={null} closable={false} width={620} style={{ top: 88 }} className="palette" destroyOnHidden title={<span className="unseen">{t("find")}</span>} styles={{ header: { margin: 0 } }}>
      <Inside close={close} pages={pages} />
    </Modal>
  );
}

function Inside({ close, pages }: { close: () => void; pages: Page[] }) {
  const t = useText();
  const id = useId();
  const [q, setQ] = useState("");
  const [at, setAt] = useState(0);
  const { items, looking } = useItems(pages, q.trim());
  const list = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const chosen = Math.min(at, items.length - 1);
  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const run = (item: Item | undefined) => {
    if (!item) return;
    close();
    item.run();
  };
  const sections = [...new Set(items.map((i) => i.group))];
  return (
    <>
      <input
        ref={input}
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-activedescendant={items[chosen] && `${id}-${items[chosen].key}`}
        aria-label={t("find")}
        placeholder={t("find")}
        value={q}
        maxLength={500}
        spellCheck={false}
        autoComplete="off"
        onChange={(e) => {
          setQ(e.target.value);
          setAt(0);
        }}
        onKeyDown={(e) => {
          if (e.nativeEvent.isComposing) return; // Enter ends the input of a Chinese word
          if (e.key === "ArrowDown") setAt((chosen + 1) % Math.max(items.length, 1));
          else if (e.key === "ArrowUp") setAt((chosen - 1 + items.length) % Math.max(items.length, 1));
          else if (e.key === "Enter") run(items[chosen]);
          else return;
          e.preventDefault();
        }}
      />
      <div role="listbox" id={id} ref={list} aria-label={t("find")}>
        {sections.map((s) => (
          <div role="group" aria-label={s} key={s}>
            <span aria-hidden>{s}</span>
            {items.map((item, i) =>
              item.group === s ? (
                // The input has the focus and the keys; a pointer clicks.
                // eslint-disable-next-line jsx-a11y/click-events-have-key-events
                <div role="option" key={item.key} id={`${id}-${item.key}`} tabIndex={-1} aria-selected={i === chosen} onPointerMove={() => setAt(i)} onClick={() => run(item)}>
                  <item.icon aria-hidden />
                  <span className="grow cut">{item.label}</span>
                  {item.hint && <span className="muted small cut">{item.hint}</span>}
                </div>
              ) : null,
            )}
          </div>
        ))}
        {looking && (
          <p className="muted small" role="status" style={{ padding: "4px 12px", margin: 0 }}>
            {t("finding")}
          </p>
        )}
        {!items.length && !looking && <p className="muted" style={{ padding: "8px 12px" }}>{t("findNothing")}</p>}
      </div>
      <footer aria-hidden>
        <span>
          <kbd>↑</kbd> <kbd>↓</kbd> {t("paletteMove")}
        </span>
        <span>
          <kbd>↵</kbd> {t("paletteOpen")}
        </span>
        <span>
          <kbd>Esc</kbd> {t("paletteClose")}
        </span>
      </footer>
    </>
  );
}

function useItems(pages: Page[], q: string): { items: Item[]; looking: boolean } {
  const t = useText();
  const lang = useLang();
  const session = useSession();
  const go = useNavigate();
  const signOut = useSignOut();
  const { found, looking } = useFinds(q);
  const items = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (...texts: string[]) => words.every((w) => texts.some((x) => x.toLowerCase().includes(w)));
    const searches = pages
      .flatMap((p) => (p.search && allowed(session, p.search.permission) ? [p.search] : []))
      .map((s) => ({ ...s, weight: q ? (s.fits?.(q) ?? 1) : 1 }))
      .filter((s) => s.weight > 0)
      .sort((a, b) => b.weight - a.weight)
      .map((s) => ({ key: `s-${s.title.en.replace(/\W+/g, "-")}`, group: t("search"), icon: SearchOutlined, label: s.title[lang], hint: q && `“${q}”`, run: () => void go(s.to(q)) }));
    const places = pages
      .flatMap((p) => (p.nav && allowed(session, p.nav.permission) ? [p.nav] : []))
      .filter((n) => has(n.title.zh, n.title.en))
      .sort((a, b) => Object.keys(groups).indexOf(a.group) - Object.keys(groups).indexOf(b.group) || a.order - b.order)
      .map((n) => ({ key: `p-${n.to.replace(/\W+/g, "-")}`, group: t("goTo"), icon: n.icon ?? ArrowRightOutlined, label: n.title[lang], run: () => void go(n.to) }));
    const finds = found.map((f) => ({ key: `f-${f.key.replace(/\W+/g, "-")}`, group: t(`found.${f.kind}`), icon: f.icon, label: f.label, hint: f.hint, run: () => void go(f.to) }));
    const deeds = [
      { key: "d-person", permission: "people.write", icon: UserAddOutlined, label: t("deed.person"), also: "add person user invite 添加人员 邀请", to: "/people?add=1" },
      { key: "d-token", permission: "tokens.own", icon: KeyOutlined, label: t("deed.token"), also: "api token 令牌", to: "/tokens?add=1" },
      { key: "d-verify", permission: "audit.read", icon: AuditOutlined, label: t("deed.verify"), also: "verify audit 校验 审计", to: "/audit?verify=1" },
    ]
      .filter((d) => allowed(session, d.permission))
      .map(({ to, ...d }) => ({ ...d, run: () => void go(to) }));
    const commands = [
      ...deeds,
      { key: "c-dark", icon: MoonOutlined, label: t("mode.dark"), also: "dark mode 深色", run: () => setMode("dark") },
      { key: "c-light", icon: SunOutlined, label: t("mode.light"), also: "light mode 浅色", run: () => setMode("light") },
      { key: "c-lang", icon: GlobalOutlined, label: lang === "zh" ? "English" : "中文", also: "language 语言", run: () => setLang(lang === "zh" ? "en" : "zh") },
      { key: "c-out", icon: LogoutOutlined, label: t("signOut"), also: "sign out log out 退出", run: () => void signOut() },
    ]
      .filter((c) => has(c.label, c.also))
      .map((c) => ({ ...c, group: t("commands") }));
    return q ? [...places.slice(0, 4), ...finds, ...commands.slice(0, 3), ...searches] : [...searches, ...places, ...commands];
  }, [pages, q, t, lang, session, go, signOut, found]);
  return { items, looking };
}
