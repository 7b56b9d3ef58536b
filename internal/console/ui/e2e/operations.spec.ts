// Overview, connections, queue and accounts on the real program.
import { expect, test, type Lang } from "./test";

const words = {
  zh: { overview: "总览", connections: "连接", queue: "任务队列", accounts: "账号" },
  en: { overview: "Overview", connections: "Connections", queue: "Queue", accounts: "Accounts" },
};
const h1 = (page: import("@playwright/test").Page) => page.getByRole("heading", { level: 1 });

for (const [lang, dark] of [
  ["zh", false],
  ["en", true],
] as [Lang, boolean][]) {
  const w = words[lang];
  const name = (what: string) => `ops-${what}-${lang}${dark ? "-dark" : ""}`;

  test(`the overview tells how it stands, ${lang}`, async ({ as, look }) => {
    const page = await as("admin", lang, { dark });
    await page.goto("/");
    await expect(h1(page)).toHaveText(w.overview);
    await expect(page.locator(".ov-standing h2")).not.toBeEmpty();
    await expect(page.locator(".ov-trends svg").first()).toBeVisible();
    await look(page, name("overview"));
  });

  test(`connections, ${lang}`, async ({ as, look }) => {
    const page = await as("admin", lang, { dark });
    await page.goto("/connections");
    await expect(h1(page)).toHaveText(w.connections);
    await expect(page.getByRole("link", { name: "crm", exact: true })).toBeVisible();
    await look(page, name("connections"));
    await page.getByRole("link", { name: "crm", exact: true }).click();
    await expect(h1(page)).toContainText("crm");
    await look(page, name("target"));
    await page.goto("/connections?tab=upstreams");
    await expect(page.getByRole("heading", { name: "sandbox" })).toBeVisible();
    await look(page, name("upstreams"));
    await page.goto("/connections?tab=notifiers");
    await expect(page.locator(".empty")).toBeVisible();
    await look(page, name("notifiers"));
  });

  test(`queue, ${lang}`, async ({ as, look }) => {
    const page = await as("admin", lang, { dark });
    await page.goto("/queue");
    await expect(h1(page)).toHaveText(w.queue);
    await expect(page.getByRole("region", { name: w.queue })).toBeVisible();
    await look(page, name("queue"));
  });

  test(`accounts, ${lang}`, async ({ as, look }) => {
    const page = await as("admin", lang, { dark });
    await page.goto("/accounts");
    await expect(h1(page)).toHaveText(w.accounts);
    await expect(page.getByRole("row").filter({ hasText: "li.wei@sunrise.example" })).toBeVisible();
    await look(page, name("accounts"));
    await page.getByRole("row").filter({ hasText: "li.wei@sunrise.example" }).click();
    await expect(page).toHaveURL(/\/accounts\/li\.wei/);
    await expect(h1(page)).toContainText("李伟");
    await expect(page.getByRole("table").first()).toBeVisible();
    await look(page, name("account"));
    await page.goto("/accounts?tab=watched");
    await expect(page.locator(".empty")).toBeVisible();
    await look(page, name("watched"));
  });
}

test("on a phone", async ({ as, look }) => {
  test.slow(); // six pages
  const page = await as("admin", "zh", { phone: true });
  for (const [path, what] of [
    ["/", "overview"],
    ["/connections", "connections"],
    ["/connections/crm", "target"],
    ["/queue", "queue"],
    ["/accounts", "accounts"],
    ["/accounts/li.wei@sunrise.example", "account"],
  ] as const) {
    await page.goto(path);
    await expect(h1(page)).not.toBeEmpty();
    await expect(page.locator(".bones")).toHaveCount(0);
    await look(page, `ops-${what}-phone`);
  }
});

test("a CRM is tested, paused with a reason and resumed", async ({ as, look }) => {
  const page = await as("admin");
  await page.goto("/connections/crm");
  await page.getByRole("button", { name: "测试", exact: true }).click();
  const trial = page.getByRole("dialog", { name: "测试 crm" });
  await expect(trial.getByText(/测试通过|可以使用|测试未通过/)).toBeVisible();
  await look(page, "ops-trial-zh");
  await page.keyboard.press("Escape");
  await expect(trial).toBeHidden();

  // By keyboard alone.
  await page.getByRole("button", { name: "暂停", exact: true }).focus();
  await page.keyboard.press("Enter");
  const ask = page.getByRole("dialog", { name: "暂停 crm" });
  await expect(ask.getByRole("button", { name: "暂停", exact: true })).toBeDisabled();
  await ask.getByLabel("原因").fill("CRM 今晚升级");
  await ask.getByRole("button", { name: "暂停", exact: true }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("CRM 今晚升级")).toBeVisible();
  await expect(h1(page)).toContainText("已暂停");
  await page.goto("/");
  await expect(page.getByRole("link").filter({ hasText: "CRM 连接已暂停" })).toHaveAttribute("href", "/connections/crm");
  await page.goto("/connections");
  await page.getByRole("button", { name: "恢复" }).click();
  await expect(page.getByText("crm 已恢复")).toBeVisible();
});

test("a mail provider is tested step by step", async ({ as, look }) => {
  const page = await as("admin", "en");
  await page.goto("/connections?tab=upstreams");
  await page.getByRole("button", { name: "Test", exact: true }).click();
  const trial = page.getByRole("dialog", { name: "Test sandbox" });
  await expect(trial.getByText("Receiving (IMAP) · TLS and certificate")).toBeVisible({ timeout: 30_000 });
  await look(page, "ops-upstream-trial-en");
});

test("capture of an account is paused and resumed, and its mailbox is reconciled", async ({ as, look }) => {
  const page = await as("admin");
  await page.goto("/accounts?q=support");
  await expect(page.getByRole("row")).toHaveCount(2);
  await page.getByRole("row").nth(1).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "暂停收录" }).click();
  const ask = page.getByRole("dialog", { name: /暂停收录/ });
  await ask.getByLabel("原因").fill("客服系统迁移");
  await ask.getByRole("button", { name: "暂停收录" }).click();
  await expect(page.getByText("客服系统迁移")).toBeVisible();
  await page.getByRole("button", { name: "恢复收录" }).click();
  await expect(page.getByRole("button", { name: "暂停收录" })).toBeVisible();

  await page.getByRole("button", { name: "开始补录或核对" }).click();
  const form = page.getByRole("dialog", { name: "开始补录或核对" });
  await form.getByText("核对", { exact: true }).click();
  await form.getByRole("button", { name: "开始", exact: true }).click();
  await expect(form.getByText("请输入密码。")).toBeVisible();
  await form.getByLabel("该邮箱的密码或授权码").fill("demo");
  await look(page, "ops-run-zh");
  await form.getByRole("button", { name: "开始", exact: true }).click();
  const run = page.getByRole("region", { name: "补录与核对" }).getByRole("listitem").first();
  await expect(run).toContainText("核对");
  await expect(run).toContainText("完成", { timeout: 20_000 });
  await page.goBack();
  await expect(page).toHaveURL(/q=support/);
});

test("the queue says how many it would be before it does anything, and keeps its filters in the address", async ({ as }) => {
  const page = await as("admin");
  await page.goto("/queue");
  await page.getByRole("button", { name: /^定时执行/ }).click();
  await expect(page).toHaveURL(/state=scheduled/);
  const count = Number(await page.getByRole("button", { name: /^定时执行/ }).locator("strong").textContent());
  await page.getByRole("button", { name: "全部放弃" }).click();
  const ask = page.getByRole("dialog", { name: "全部放弃" });
  await expect(ask.getByRole("status")).toHaveText(count ? `将放弃 ${count} 项任务。` : "其中没有可以放弃的任务。");
  await expect(ask.getByRole("button", { name: "放弃", exact: true })).toBeDisabled();
  await page.keyboard.press("Escape");
  await expect(ask).toBeHidden();
  if (count) {
    await page.getByRole("row").nth(1).click();
    await expect(page).toHaveURL(/job=\d+/);
    await expect(page.getByRole("dialog").getByText("编号")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page).not.toHaveURL(/job=/);
  }
});

test("who may only look is offered nothing to do", async ({ as }) => {
  test.slow(); // two people, four pages each
  for (const role of ["manager", "auditor"] as const) {
    const page = await as(role);
    await page.goto("/");
    await expect(page.locator(".ov-standing h2")).not.toBeEmpty();
    await page.goto("/connections/crm");
    await expect(h1(page)).toContainText("crm");
    await expect(page.getByText("能做什么")).toBeVisible();
    await expect(page.getByRole("button", { name: "测试" })).toHaveCount(0);
    await page.goto("/queue");
    await expect(page.getByRole("button", { name: /^全部未完成/ })).toBeVisible();
    await expect(page.getByRole("button", { name: "全部重试" })).toHaveCount(0);
    await page.goto("/accounts");
    await expect(h1(page)).toHaveText("账号");
    await expect(page.getByRole("button", { name: "添加账号" })).toHaveCount(0);
  }
});

test("an agent is led to their own mail, and told kindly that these pages are not theirs", async ({ as }) => {
  const page = await as("agent");
  await page.goto("/");
  await expect(page).not.toHaveURL(/\/$/);
  await expect(page.getByRole("link", { name: "总览" })).toHaveCount(0);
  for (const path of ["/queue", "/connections", "/accounts"]) {
    await page.goto(path);
    await expect(h1(page)).toHaveText("您无权查看此页面");
  }
});
