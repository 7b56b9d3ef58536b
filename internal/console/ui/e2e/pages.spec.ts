// Each page for each role, in Chinese on a desk and in English on a phone in the dark: it opens, tells what it is, can be used with a screen
// reader and does not scroll sideways. What the pages do is in the other files.
import type { Page } from "@playwright/test";
import type { Role } from "./program";
import { expect, test, type Lang } from "./test";

const navigation = (page: Page) => page.locator(".frame .side nav").first();

/** Waits until a page holds what it shows. */
async function loaded(page: Page) {
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(page.locator(".bones, .ant-spin-spinning, [aria-busy=true]")).toHaveCount(0);
}

/** Opens the first of what a page lists, on a page of its own or in a drawer; false where it lists nothing. */
async function opened(page: Page) {
  const first = page.locator('main .listing tbody tr[data-to], main .listing .cards .first :is(a, button), main a.mail-row, main a[href^="/connections/"]').first();
  if (!(await first.count())) return false;
  const before = page.url();
  await first.focus();
  await page.keyboard.press("Enter");
  await expect.poll(async () => page.url() !== before || (await page.getByRole("dialog").count()) > 0).toBe(true);
  if (page.url() !== before) await page.goto(page.url()); // else what was there before may be taken for it
  await loaded(page);
  return true;
}

for (const role of ["admin", "manager", "agent", "auditor"] as Role[])
  for (const [lang, options] of [
    ["zh", {}],
    ["en", { dark: true, phone: true }],
  ] as [Lang, object][])
    test(`all pages of ${role}, ${lang}`, async ({ as, look }) => {
      test.setTimeout(240_000);
      const desk = await as(role, lang);
      await desk.goto("/me/security");
      await expect(navigation(desk)).toBeVisible();
      const links = await navigation(desk).getByRole("link").evaluateAll((list) => list.map((a) => a.getAttribute("href") ?? ""));
      expect(links.length).toBeGreaterThan(5);
      const page = await as(role, lang, options);
      for (const path of links) {
        await page.goto(path);
        await loaded(page);
        const name = `pages${path === "/" ? "-overview" : path.replaceAll("/", "-")}-${role}-${lang}`;
        await look(page, name);
        if (path !== "/" && (await opened(page))) await look(page, `${name}-one`);
      }
    });
