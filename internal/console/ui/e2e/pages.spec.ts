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
        const inner = page.locator(`main a[href^="${path}/"]:not([href$="/new"])`).first(); // a page of one of those that are listed
        if (path === "/" || path.startsWith("/me") || path === "/reference" || !(await inner.count())) continue;
        await page.goto((await inner.getAttribute("href"))!);
        await loaded(page);
        await look(page, `${name}-one`);
      }
    });
