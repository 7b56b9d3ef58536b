// States of the operations' pages that the demo is not in: CRMs that refuse or are gone, mailboxes that cannot be signed in to, enrolments under way.
// Each test has a gateway of its own and what it speaks to.
import type { Browser, BrowserContext } from "@playwright/test";
import { ask } from "./ask";
import { crm } from "./crm";
import { firstAdmin, freshGateway } from "./fresh";
import { mailProvider } from "./provider";
import { relay, taker, word } from "./smtp";
import { expect, guard, test } from "./test";

type Fault = Parameters<typeof guard>[2];

/** Browsers at a gateway of a test's own. */
function browsers(browser: Browser, url: string, faults: Fault, expected: RegExp) {
  const open: BrowserContext[] = [];
  return {
    open: async ({ lang = "zh", dark = false, phone = false, as }: { lang?: "zh" | "en"; dark?: boolean; phone?: boolean; as?: BrowserContext } = {}) => {
      const context = await browser.newContext({
        baseURL: url, locale: lang === "zh" ? "zh-CN" : "en-GB", timezoneId: "Asia/Shanghai", colorScheme: dark ? "dark" : "light", reducedMotion: "reduce",
        viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 },
      });
      open.push(context);
      guard(context, url, faults, expected);
      await context.addInitScript((l) => window.top === window && location.protocol.startsWith("http") && localStorage.setItem("heliograph.lang", l), lang);
      if (as) await context.addCookies(await as.cookies());
      return context.newPage();
    },
    close: () => Promise.all(open.map((c) => c.close().catch(() => undefined))), // it cannot be when the test ran out of time
  };
}

const letter = (n: number, subject: string) =>
  `From: <li.wei@sunrise.example>\nTo: <kunde${n}@kunde.example>\nSubject: ${word(subject)}\nMessage-ID: <order${n}@sunrise.example>\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\n\n请查收。\n`;

test("a bad morning: one CRM refuses, one is gone, one is paused", async ({ browser, faults, expected, look }) => {
  test.slow(); // five pages are looked at
  const [erp, gone, paused, mailServer] = [await crm(), await crm({ closed: true }), await crm(), await taker()];
  erp.state.refuses = true;
  const gateway = await freshGateway({ upstream: mailServer.port, more: `targets:\n${erp.target("erp")}${gone.target("salesforce")}${paused.target("finance")}` });
  const seen = browsers(browser, gateway.url, faults, expected);
  try {
    const page = await seen.open();
    await firstAdmin(page, gateway.link);
    expect((await ask(page, "POST", "/api/v1/targets/finance/pause", { reason: "财务月结，暂缓写入" })).status).toBe(200);
    for (const n of [1, 2]) await relay(gateway.smtp, "li.wei@sunrise.example", `kunde${n}@kunde.example`, letter(n, `订单 ${n}`));
    await expect.poll(async () => JSON.stringify((await ask(page, "GET", "/api/v1/queue")).body), { timeout: 30_000 }).toMatch(/"discarded".*"retryable"|"retryable".*"discarded"/);

    await page.goto("/");
    const work = page.locator(".ov-work");
    await expect(work.locator("a").first()).toHaveAttribute("href", "/queue?state=discarded");
    await expect(work.locator("a").first()).toContainText("2 项任务已放弃，等待决定");
    await expect(work.getByRole("link").filter({ hasText: "CRM 连接已暂停" })).toContainText("财务月结，暂缓写入");
    const refused = page.getByRole("region", { name: "失败原因" }).getByRole("listitem").filter({ hasText: "CRM 拒绝了请求" });
    await expect(refused).toContainText("2 项"); // one reason, which stopped both
    await look(page, "ops-trouble-zh");
    await page.goto("/connections");
    await expect(page.getByText("财务月结，暂缓写入")).toBeVisible();
    await expect(page.locator('a[href="/queue?target=erp&state=discarded"], a[href="/queue?state=discarded&target=erp"]')).toHaveText("2");
    await look(page, "ops-connections-trouble-zh");
    await page.getByRole("link", { name: "erp", exact: true }).click();
    await expect(page.getByText("CRM 拒绝了请求").first()).toBeVisible();
    await look(page, "ops-target-trouble-zh");

    const dark = await seen.open({ lang: "en", dark: true, as: page.context() });
    await dark.goto("/");
    await expect(dark.locator(".ov-work a").first()).toContainText("2");
    await look(dark, "ops-trouble-en-dark");
    const phone = await seen.open({ phone: true, as: page.context() });
    await phone.goto("/");
    await expect(phone.locator(".ov-work a").first()).toContainText("2 项任务已放弃");
    await look(phone, "ops-trouble-phone");
  } finally {
    await seen.close();
    await gateway.close();
    [erp, paused, mailServer].forEach((s) => s.close());
  }
});

test("dead letters are retried all at once, chosen by keyboard, and sent elsewhere", async ({ browser, faults, expected, look }) => {
  const [erp, other, mailServer] = [await crm(), await crm(), await taker()];
  erp.state.refuses = other.state.refuses = true;
  const gateway = await freshGateway({ upstream: mailServer.port, more: `targets:\n${erp.target("erp")}${other.target("salesforce")}` });
  const seen = browsers(browser, gateway.url, faults, expected);
  try {
    const page = await seen.open();
    await firstAdmin(page, gateway.link);
    for (const n of [1, 2, 3]) await relay(gateway.smtp, "li.wei@sunrise.example", `kunde${n}@kunde.example`, letter(n, `订单 ${n}`));
    await page.goto("/queue?state=discarded");
    await expect(page.getByRole("region", { name: "任务队列" }).getByRole("row")).toHaveCount(7, { timeout: 20_000 }); // with that of the names
    await page.goto("/queue?state=discarded&target=erp");
    const list = page.getByRole("region", { name: "任务队列" });
    const rows = list.getByRole("row");
    await expect(rows).toHaveCount(4);

    // All: the CRM still refuses, so that they are back after a moment.
    await page.getByRole("button", { name: "全部重试" }).click();
    const all = page.getByRole("dialog", { name: "全部重试" });
    await expect(all.getByRole("status")).toHaveText("将立即重试 3 项任务。");
    await look(page, "ops-retry-all-zh");
    await all.getByRole("button", { name: "重试", exact: true }).click();
    await expect(page.getByText("已重试 3 项任务")).toBeVisible();
    await expect.poll(() => erp.state.refused).toBe(6);
    await expect(rows).toHaveCount(4, { timeout: 20_000 });

    other.state.refuses = false;
    await rows.nth(1).getByText("写入邮件", { exact: true }).click();
    const job = page.getByRole("dialog").filter({ hasText: "@sunrise.example" });
    await look(page, "ops-job-zh");
    await job.getByRole("button", { name: "改投其他连接" }).click();
    await page.getByRole("dialog", { name: "改投其他连接" }).getByRole("button", { name: "改投其他连接" }).click();
    await expect(page.getByText("将写入 salesforce")).toBeVisible();
    await expect.poll(() => other.posts.length).toBe(1);
    await page.keyboard.press("Escape");
    await expect(job).toBeHidden();
    await expect(rows).toHaveCount(3);

    // Chosen by keyboard, when the CRM takes them.
    erp.state.refuses = false;
    await rows.nth(1).focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("j");
    await page.keyboard.press("Space");
    await list.getByRole("button", { name: "重试", exact: true }).click();
    await page.getByRole("dialog", { name: "重试所选任务" }).getByRole("button", { name: "重试", exact: true }).click();
    await expect(page.getByText("已重试 2 项任务")).toBeVisible();
    await expect.poll(() => erp.posts.length).toBe(2);
    await expect(rows).toHaveCount(0);
  } finally {
    await seen.close();
    await gateway.close();
    [erp, other, mailServer].forEach((s) => s.close());
  }
});

const support = "support@mail.sunrise.example";

test("a watched mailbox is refused, and enrolled anew by a link; its backfill waits and is stopped", async ({ browser, faults, expected, look }) => {
  const provider = await mailProvider();
  const gateway = await freshGateway({ upstreams: provider.upstreams, more: `watch: [{address: ${support}}]\ncapture: {bytes_per_day: 4MB}\n` });
  const seen = browsers(browser, gateway.url, faults, expected);
  try {
    const page = await seen.open();
    // Three megabytes each: what may be fetched in a day is counted in parts of four.
    for (const n of [1, 2, 3]) await provider.deliver(support, `From: <kunde${n}@kunde.example>\nTo: <${support}>\nSubject: Anfrage ${n}\nMessage-ID: <ask${n}@kunde.example>\nDate: Mon, 2 Nov 2026 09:15:00 +0800\n\n${`${"x".repeat(98)}\n`.repeat(31_000)}\n`);
    await firstAdmin(page, gateway.link);
    // The command does not sign in: so a password comes in that the provider refuses.
    gateway.run(["account", "enroll", support, "--no-programs", "--password-file", "-"], "wrong");
    await page.goto("/accounts?tab=watched");
    await expect(page.getByText("登录被拒")).toBeVisible({ timeout: 20_000 });
    await look(page, "ops-watched-refused-zh");
    await page.goto("/");
    await expect(page.locator(".ov-work a").filter({ hasText: "监视的邮箱无法访问" })).toContainText(support);

    await page.goto(`/accounts/${encodeURIComponent(support)}`);
    await expect(page.getByRole("alert").first()).toBeVisible();
    await page.getByRole("button", { name: "生成新的接入链接" }).click();
    const dialog = page.getByRole("dialog", { name: "生成接入链接" });
    await dialog.getByRole("button", { name: "生成接入链接" }).click();
    const made = dialog.getByText(/\/enrol\/[A-Z0-9]+$/);
    await expect(made).toBeVisible();
    const link = await made.textContent();
    await look(page, "ops-link-zh");
    const employee = await seen.open();
    await employee.goto(link!.trim());
    await employee.getByLabel("授权码或专用密码").fill("support-code");
    await employee.keyboard.press("Enter");
    await expect(employee.getByRole("heading", { level: 1 })).toHaveText("邮箱已接入");
    await page.goto("/accounts?tab=watched");
    await page.getByRole("button", { name: "检查" }).click();
    await expect(page.getByRole("dialog").getByText("测试通过")).toBeVisible();

    await page.goto(`/accounts/${encodeURIComponent(support)}`);
    await page.getByRole("button", { name: "开始补录或核对" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "开始", exact: true }).click();
    const runs = page.getByRole("region", { name: "补录与核对" });
    await expect(runs.getByText(/\d \/ 3/)).toBeVisible();
    await expect(runs.getByText(/后继续/)).toBeVisible(); // it may fetch no more today
    await look(page, "ops-account-backfill-zh");
    await runs.getByRole("button", { name: "停止" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "停止" }).click();
    await expect(runs.getByText("已取消")).toBeVisible();
  } finally {
    await seen.close();
    await gateway.close();
    provider.close();
  }
});

const zhao = "zhao.min@cloud.example";

for (const lang of ["zh", "en"] as const) {
  const zh = lang === "zh";
  test.describe(lang, () => {
    test.use({ expected: /status of 404/ });
    test(`an employee connects a mailbox by a link, ${lang}`, async ({ browser, faults, expected, look }) => {
      const provider = await mailProvider();
      const gateway = await freshGateway({ upstreams: provider.upstreams });
      const seen = browsers(browser, gateway.url, faults, expected);
      try {
        const admin = await seen.open();
        await firstAdmin(admin, gateway.link);
        const { body } = await ask(admin, "POST", `/api/v1/accounts/${encodeURIComponent(zhao)}/enrolment-link`, {});
        const phone = await seen.open({ lang, phone: true, dark: !zh });
        await phone.goto(String(body.url));
        const page = await seen.open({ lang });
        await page.goto(String(body.url));
        for (const p of [page, phone]) await expect(p.getByRole("heading", { level: 1 })).toHaveText(zh ? "接入您的邮箱" : "Connect your mailbox");
        await look(phone, `ops-enrol-phone-${lang}`);
        await look(page, `ops-enrol-${lang}`);

        await page.getByText(zh ? "授权码" : "App password", { exact: true }).click();
        await page.getByLabel(zh ? "授权码或专用密码" : "App password or authorization code").fill("wrong");
        await page.keyboard.press("Enter");
        await expect(page.getByRole("alert")).toContainText(zh ? "没有成功" : "did not work");
        await page.getByText(zh ? "设备代码" : "By a code", { exact: true }).click();
        await page.getByRole("button", { name: zh ? "获取代码" : "Get a code" }).click();
        await expect(page.getByText("WDJB-MJHT")).toBeVisible();
        await look(page, `ops-enrol-device-${lang}`);
        await provider.say("good");
        await expect(page.getByRole("heading", { level: 1 })).toHaveText(zh ? "邮箱已接入" : "Your mailbox is connected", { timeout: 20_000 });
        await expect(page.locator(".en-code code")).not.toBeEmpty();
        await look(page, `ops-enrolled-${lang}`);
        await page.goto("/enrol/gone");
        await expect(page.getByRole("heading", { level: 1 })).toHaveText(zh ? "链接无效或已过期" : "This link is not good any more");
      } finally {
        await seen.close();
        await gateway.close();
        provider.close();
      }
    });
  });
}
