// Setting up mail programs: one's own page, and the link that an admin sends.
import { expect, test, type Lang } from "./test";

for (const [lang, dark] of [
  ["zh", false],
  ["en", true],
] as [Lang, boolean][]) {
  test(`each sees how to set up a mail program, ${lang}`, async ({ as, look }) => {
    const page = await as("agent", lang, { dark });
    await page.goto("/me/programs");
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(lang === "zh" ? "设置邮件程序" : "Set up mail programs");
    await expect(page.getByText("li.wei@sunrise.example").first()).toBeVisible();
    await page.getByRole("button", { name: "Foxmail" }).click();
    await expect(page).toHaveURL(/program=foxmail/);
    await expect(page.getByText(lang === "zh" ? "手动设置" : "Other mailbox")).toBeVisible();
    await look(page, `programs-${lang}`);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: lang === "zh" ? "复制端口" : "Copy Port" }).first().click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^\d+$/);
  });
}

test("on a phone it is one column", async ({ as, look }) => {
  const page = await as("agent", "zh", { phone: true });
  await page.goto("/me/programs");
  await page.getByRole("button", { name: /iPhone/ }).click();
  await expect(page.getByRole("button", { name: /iPhone/ })).toHaveAttribute("aria-pressed", "true");
  await look(page, "programs-phone");
});

test.describe("a link", () => {
  test.use({ expected: /status of 404/ });

  test("opens once, without a sign-in", async ({ as, open, look }) => {
    const admin = await as("admin", "en");
    await admin.goto("/me/programs");
    await admin.getByLabel("The colleague's mail address").fill("wang.fang@sunrise.example");
    await expect(admin.getByRole("heading", { name: "Settings of wang.fang@sunrise.example" })).toBeVisible();
    await admin.getByRole("button", { name: "Make a link" }).click();
    await admin.getByRole("dialog").getByRole("button", { name: "Make a link" }).click();
    const url = new URL((await admin.locator(".onboarding-link code").textContent())!);
    await look(admin, "programs-admin-en");

    const page = await open({ phone: true });
    await page.goto(url.pathname + url.hash);
    await expect(page.getByRole("button", { name: "打开我的设置" })).toBeVisible();
    await look(page, "onboarding-link-phone");
    await page.getByRole("button", { name: "打开我的设置" }).click();
    await expect(page.getByText("wang.fang@sunrise.example").first()).toBeVisible();
    await look(page, "onboarding-opened-phone");
    await page.reload(); // what was opened stays in this tab
    await expect(page.getByText("wang.fang@sunrise.example").first()).toBeVisible();

    const other = await open({ lang: "en" });
    await other.goto(url.pathname + url.hash);
    await other.getByRole("button", { name: "Open my settings" }).click();
    await expect(other.getByRole("alert")).toContainText("Ask your IT for a new one");
  });
});
