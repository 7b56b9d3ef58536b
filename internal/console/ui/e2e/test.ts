// What all tests in the browser share. Import test and expect from here:
//
//     test("the outbox holds what was held", async ({ as, look }) => {
//       const page = await as("manager");                    signed in, in Chinese; as("manager", "en") in English
//       await page.goto("/outbox");
//       await expect(page.getByRole("heading", { level: 1 })).toHaveText("发件箱");
//       await look(page, "outbox");                          axe, and a picture in test-results/look
//     });
//
// A test fails on each error in the browser's console, each breach of the content security policy and each request to another origin. What a test
// provokes it names: `test.use({ expected: /status of 409/ })`.
import { test as base, expect, type BrowserContext, type Page } from "@playwright/test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Login, Role } from "./program";

export { expect };
export type Lang = "zh" | "en";

const axe = readFileSync(fileURLToPath(new URL("../node_modules/axe-core/axe.min.js", import.meta.url)), "utf8");

/** Fails the test on what should never happen in a page. */
export function guard(context: BrowserContext, origin: string, faults: string[], expected: RegExp) {
  const note = (text: string) => {
    if (!expected.test(text)) faults.push(text);
  };
  context.on("console", (m) => m.type() === "error" && note(`console: ${m.text()} (${m.location().url})`));
  context.on("weberror", (e) => note(`exception: ${e.error().stack ?? e.error().message}`));
  context.on("request", (r) => {
    const url = new URL(r.url());
    if (["data:", "blob:", "about:"].includes(url.protocol)) return;
    if (url.host !== new URL(origin).host) note(`request to another origin: ${r.url()}`);
  });
  context.on("dialog", (d) => {
    if (d.type() !== "beforeunload") note(`dialog: ${d.message()}`);
    void d.dismiss().catch(() => undefined);
  });
}

/** Looks for what keeps people from using the page (WCAG 2.2 AA). */
export async function accessible(page: Page, where = page.url()) {
  await page.evaluate(axe); // past the content security policy, as nothing in the page could
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (c: Document, o: object) => Promise<{ violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[] }> } };
    const { violations } = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], rules: { region: { enabled: false } } });
    return violations.map((v) => `${v.id}: ${v.help}\n` + v.nodes.map((n) => `    ${n.html.slice(0, 200)}\n    ${n.failureSummary.replaceAll("\n", "\n    ")}`).join("\n"));
  });
  expect(found, `accessibility of ${where}`).toEqual([]);
}

interface Fixtures {
  expected: RegExp;
  faults: string[];
  /** A page for nobody in particular. */
  open: (options?: { lang?: Lang; dark?: boolean; phone?: boolean }) => Promise<Page>;
  /** A page for who has a role. */
  as: (role: Role, lang?: Lang, options?: { dark?: boolean; phone?: boolean }) => Promise<Page>;
  /** Scans a page and takes its picture, for people to look at. */
  look: (page: Page, name: string) => Promise<void>;
}

const people = () => JSON.parse(process.env.HELIOGRAPH_PEOPLE ?? "{}") as Record<Role, Login>;

export const test = base.extend<Fixtures, { sessions: Map<Role, Awaited<ReturnType<BrowserContext["storageState"]>>> }>({
  expected: [/^\b$/, { option: true }],
  baseURL: async ({}, use) => use(process.env.HELIOGRAPH_URL),

  faults: [
    async ({}, use) => {
      const faults: string[] = [];
      await use(faults);
      expect(faults, "what went wrong in the browser").toEqual([]);
    },
    { auto: true },
  ],

  open: async ({ browser, baseURL, faults, expected }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async ({ lang = "zh", dark, phone } = {}) => {
      const context = await browser.newContext({
        baseURL,
        locale: lang === "zh" ? "zh-CN" : "en-GB",
        timezoneId: "Asia/Shanghai",
        colorScheme: dark ? "dark" : "light",
        reducedMotion: "reduce", // what is clicked holds still
        viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 },
        hasTouch: phone,
        isMobile: phone,
      });
      contexts.push(context);
      await context.addInitScript((l) => {
        const fresh = location.protocol.startsWith("http") && window.top === window && !localStorage.getItem("heliograph.lang");
        if (fresh) localStorage.setItem("heliograph.lang", l);
      }, lang);
      guard(context, baseURL!, faults, expected);
      return context.newPage();
    });
    await Promise.all(contexts.map((c) => c.close()));
  },

  // The session of a role is made once per worker, by the sign-in page.
  sessions: [async ({}, use) => use(new Map()), { scope: "worker" }],

  as: async ({ open, sessions }, use) => {
    await use(async (role, lang = "zh", options = {}) => {
      const page = await open({ lang, ...options });
      const known = sessions.get(role);
      if (known) {
        await page.context().addCookies(known.cookies);
        return page;
      }
      const login = people()[role];
      if (!login) throw new Error(`the program has nobody with the role ${role}`);
      await page.goto("/sign-in");
      const way = page.getByText(lang === "zh" ? { password: "控制台账户", mailbox: "我的邮箱" }[login.with] : { password: "Console account", mailbox: "My mailbox" }[login.with]);
      await page.locator("#password").waitFor();
      if (await way.isVisible()) await way.click();
      await page.locator("#address").fill(login.address);
      await page.locator("#password").fill(login.password);
      await page.locator("button[type=submit]").click();
      await expect(page).not.toHaveURL(/sign-in/);
      sessions.set(role, await page.context().storageState());
      return page;
    });
  },

  look: async ({}, use, info) => {
    await use(async (page, name) => {
      await page.evaluate(() => document.fonts.ready);
      await page.screenshot({ path: `${info.project.outputDir}/look/${name}.png`, fullPage: true, animations: "disabled" });
      await accessible(page, name);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(wide, `${name}: pixels that the page scrolls sideways`).toBeLessThanOrEqual(0);
    });
  },
});
