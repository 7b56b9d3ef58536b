// What surrounds all pages, on the real program: who sees what, the ways to sign in and out, live events, the search box.
import { createHmac } from "node:crypto";
import type { Page } from "@playwright/test";
import { freshGateway } from "./fresh";
import { expect, guard, test } from "./test";

const h1 = (page: Page) => page.getByRole("heading", { level: 1 });
const navigation = (page: Page) => page.locator(".frame .side nav").first();
const paths = (page: Page) => navigation(page).getByRole("link").evaluateAll((links) => links.map((a) => a.getAttribute("href") ?? ""));

// Pages that not everybody has, and who has them.
const rights = {
  "/": ["admin", "manager", "auditor"],
  "/messages": ["admin", "manager", "agent"],
  "/customers": ["admin", "manager", "agent"],
  "/approvals": ["admin", "manager", "agent"],
  "/outbox": ["admin", "manager", "auditor"],
  "/queue": ["admin", "manager", "auditor"],
  "/connections": ["admin", "manager", "auditor"],
  "/accounts": ["admin", "manager", "auditor"],
  "/people": ["admin", "auditor"],
  "/audit": ["admin", "auditor"],
  "/settings": ["admin", "auditor"],
  "/tokens": ["admin", "manager", "agent", "auditor"],
  "/reference": ["admin", "manager", "agent", "auditor"],
  "/me/security": ["admin", "manager", "agent", "auditor"],
} as const;

for (const role of ["admin", "manager", "agent", "auditor"] as const) {
  test(`${role} sees the own navigation in both languages, and is kindly kept from other pages`, async ({ as }) => {
    const page = await as(role, "zh");
    await page.goto("/me/security");
    await expect(h1(page)).toHaveText("登录与安全");
    const there = await paths(page);
    for (const [path, who] of Object.entries(rights)) {
      if (path === "/" ? role === "agent" : false) continue; // the brand leads there, too
      expect(there.includes(path), `${path} for ${role}`).toBe((who as readonly string[]).includes(role));
    }
    const forbidden = Object.entries(rights).find(([, who]) => !(who as readonly string[]).includes(role));
    if (forbidden && forbidden[0] !== "/") {
      await page.goto(forbidden[0]);
      await expect(h1(page)).toHaveText("您无权查看此页面");
    }
    await page.goto("/me/security");
    await page.getByRole("button", { name: "English" }).click();
    await expect(h1(page)).toHaveText("Sign-in and security");
    expect(await paths(page)).toEqual(there);
  });
}

test("an employee who may not see a page is told so", async ({ as, look }) => {
  const page = await as("agent", "en");
  await page.goto("/settings");
  await expect(h1(page)).toHaveText("You may not see this page");
  await look(page, "forbidden-en");
});

test("an employee signs in with the mailbox", async ({ open }) => {
  const people = JSON.parse(process.env.HELIOGRAPH_PEOPLE!) as Record<string, { address: string; password: string }>;
  const page = await open({ lang: "zh" });
  await page.goto("/messages");
  await expect(page).toHaveURL(/\/sign-in\?return=%2Fmessages/);
  await page.getByText("我的邮箱").click();
  await page.getByLabel("邮箱地址").fill(people.agent!.address);
  await page.locator("#password").fill(people.agent!.password);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/messages$/);
});

test.describe("without a WebSocket", () => {
  test("events come by HTTP", async ({ as }) => {
    const page = await as("admin", "zh");
    await page.addInitScript(() => {
      // As behind a proxy that lets none through.
      class Refused extends EventTarget {
        onclose?: (e: { code: number }) => void;
        constructor() {
          super();
          setTimeout(() => this.onclose?.({ code: 1006 }), 10);
        }
        close() {}
        send() {}
      }
      (window as unknown as { WebSocket: unknown }).WebSocket = Refused;
    });
    const stream = page.waitForRequest(/\/api\/v1\/live\/events/);
    await page.goto("/me/security");
    await stream;
    await expect(page.locator(".live-dot")).toHaveAttribute("data-state", "on");
  });
});

test("the search box asks the API while one types, and leads there by keyboard", async ({ as, look }) => {
  const page = await as("admin", "zh");
  await page.goto("/me/security");
  const { items } = (await (await page.request.get("/api/v1/customers?limit=1")).json()) as { items: { name: string }[] };
  await expect(h1(page)).toHaveText("登录与安全");
  await page.keyboard.press("Control+k");
  const box = page.getByRole("combobox");
  await box.fill(items[0]!.name);
  const group = page.getByRole("group", { name: "客户" });
  await expect(group.getByRole("option").first()).toContainText(items[0]!.name);
  await look(page, "palette-finds-zh");
  await box.fill("添加人员");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "添加人员" })).toBeVisible();
});

test("what needs a person has its number in the navigation", async ({ as }) => {
  const page = await as("admin", "en");
  await page.goto("/me/security");
  const overview = (await (await page.request.get("/api/v1/overview")).json()) as { attention: { kind: string; count: number }[] };
  const reviews = overview.attention.filter((a) => ["reviews", "conflicts", "duplicates"].includes(a.kind)).reduce((n, a) => n + (a.count || 1), 0);
  const link = navigation(page).locator('a[href="/review"]');
  if (reviews) await expect(link.locator(".badge")).toContainText("waiting");
  else await expect(link.locator(".badge")).toHaveCount(0);
});

/** The code of an authenticator app (RFC 6238), `ahead` periods from now. */
function totp(secret: string, ahead = 0): string {
  const bits = [...secret.replace(/[\s=]/g, "").toUpperCase()].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac[19]! & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

test.describe("a gateway that nobody has set up", () => {
  test.use({ expected: /status of (401|403)/ });

  test("first administrator, reminder, authenticator app, passkey, and out of all windows at once", async ({ browser, faults, expected, look }) => {
    test.setTimeout(120_000);
    const gateway = await freshGateway();
    const password = "四个词连在一起就很好记了吧";
    const context = await browser.newContext({ baseURL: gateway.url, locale: "zh-CN", viewport: { width: 1440, height: 900 } });
    const other = await browser.newContext({ baseURL: gateway.url, locale: "zh-CN", viewport: { width: 1440, height: 900 } });
    try {
      guard(context, gateway.url, faults, expected);
      guard(other, gateway.url, faults, expected);
      const page = await context.newPage();
      const cdp = await context.newCDPSession(page);
      await cdp.send("WebAuthn.enable");
      await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });

      await page.goto(gateway.link);
      await expect(h1(page)).toHaveText("欢迎使用 Heliograph");
      await page.getByLabel("姓名").fill("孙明");
      await page.getByLabel("邮箱地址").fill("sun.ming@sunrise.example");
      await page.getByLabel("密码", { exact: true }).fill(password);
      await page.getByLabel("再次输入密码").fill(password);
      await page.getByRole("button", { name: "设置并登录" }).click();
      await expect(page).toHaveURL(/\/me\/security$/);
      await page.goto("/reference");
      await expect(page.getByText("您的管理员账户只有密码保护。")).toBeVisible();
      await look(page, "reminder-zh");
      await page.getByRole("link", { name: "添加第二重验证" }).click();

      await page.getByRole("button", { name: "添加身份验证器应用" }).click();
      const secret = (await page.getByRole("dialog").locator("code").innerText()).replace(/\s/g, "");
      await page.getByLabel("验证码").fill(totp(secret));
      await page.getByRole("button", { name: "继续" }).click();
      await page.getByRole("button", { name: "我已保存" }).click();
      await page.getByRole("button", { name: "添加通行密钥" }).click();
      await page.getByRole("dialog").getByLabel("名称").fill("办公室笔记本");
      await page.keyboard.press("Enter");
      await expect(page.getByText("办公室笔记本")).toBeVisible();

      // Another window, with the password and the next code.
      const second = await other.newPage();
      await second.goto("/sign-in");
      await second.locator("#address").fill("sun.ming@sunrise.example");
      await second.locator("#password").fill(password);
      await second.keyboard.press("Enter");
      await expect(h1(second)).toHaveText("还需一步");
      await second.getByLabel("验证码").fill(totp(secret, 1));
      await second.keyboard.press("Enter");
      await expect(second).not.toHaveURL(/sign-in/);
      await expect(second.locator(".live-dot")).toHaveAttribute("data-state", "on");

      // Out of all others: the second window is at the sign-in page without anybody touching it.
      await page.goto("/me/security");
      await page.getByRole("button", { name: "退出其他所有登录" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "退出其他所有登录" }).click();
      await expect(second).toHaveURL(/sign-in/, { timeout: 5000 });

      // Out, and in again with the passkey alone.
      await page.getByRole("button", { name: /孙明 的账户/ }).click();
      await page.getByText("退出登录").click();
      await expect(page).toHaveURL(/sign-in/);
      await page.getByRole("button", { name: /通行密钥/ }).click();
      await expect(page).not.toHaveURL(/sign-in/);
      await expect(page.getByRole("button", { name: /孙明 的账户/ })).toBeVisible();
    } finally {
      for (const c of [context, other]) await c.close().catch(() => undefined); // they cannot be when the test ran out of time
      await gateway.close();
    }
  });
});
