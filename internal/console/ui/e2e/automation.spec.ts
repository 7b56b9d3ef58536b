// Runs, approvals, outbox, holds and the tabs of a rule, on what a rule of the test's own does with mail that is really sent.
import type { Page } from "@playwright/test";
import { ask } from "./ask";
import { send, word } from "./smtp";
import { expect, test, type Lang } from "./test";

const manager = "wang.fang@sunrise.example";
const customer = "chen.jing@huaxia-machinery.example";

const rule = (id: string, text = "您好，报价已通过审批。") => ({
  id,
  name: `报价审批 ${id}`,
  owner: manager,
  trigger: { type: "mail", direction: "out" },
  when: { all: [{ field: "mail.subject", op: "contains", value: id }, { not: { field: "mail.subject", op: "starts_with", value: ["Re:", "回复"] } }] },
  steps: [
    { id: "ok", do: "approve", with: { approvers: [manager], title: "是否发出报价：{{.mail.subject}}", text: "客户要求今天回复，请确认价格。\n含税总价 86,500 元，交期 30 天。", facts: [{ name: "申请人", value: "{{.mail.from.address}}" }], expires: "5 workdays" } },
    {
      id: "way",
      do: "branch",
      with: {
        cases: [{ when: { field: "steps.ok.decision", op: "is", value: "approved" }, steps: [{ id: "send", do: "send_mail", with: { to: [customer], subject: `报价 ${id}`, text } }] }],
        else: [{ id: "no", do: "stop" }],
      },
    },
  ],
});

async function publish(page: Page, id: string) {
  const { etag } = await ask(page, "GET", `/api/v1/rules/${id}`);
  const done = await ask(page, "POST", `/api/v1/rules/${id}/publish`, { state: "live", note: "首次发布" }, etag);
  expect(done.status, JSON.stringify(done.body)).toBe(200);
}

/** A rule that asks, and a mail that makes it ask: the id of the rule and of its run. */
async function asking(page: Page) {
  const id = `quote-${Math.random().toString(36).slice(2, 8)}`;
  const made = await ask(page, "POST", "/api/v1/rules", { rule: rule(id) });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  await publish(page, id);
  await mail(id);
  return { id, run: await waiting(page, id) };
}

const mail = (id: string) =>
  send("li.wei@sunrise.example", [customer], `From: ${word("李伟")} <li.wei@sunrise.example>\nTo: ${customer}\nSubject: ${word(`主轴报价 ${id}`)}\nMessage-ID: <${id}.${Math.random()}@sunrise.example>\nDate: ${new Date().toUTCString()}\nContent-Type: text/plain; charset=utf-8\n\n报价见附件。\n`);

async function waiting(page: Page, id: string, n = 1): Promise<string> {
  let items: { id: string; state: string }[] = [];
  await expect.poll(async () => (items = (await ask(page, "GET", `/api/v1/runs?rule=${id}`)).body.items as typeof items).filter((r) => r.state === "waiting").length).toBeGreaterThanOrEqual(n);
  return items.find((r) => r.state === "waiting")!.id;
}

const h1 = (page: Page) => page.getByRole("heading", { level: 1 });
const words = {
  zh: { runs: "运行记录", approvals: "审批", outbox: "发件箱", holds: "暂停与急停" },
  en: { runs: "Runs", approvals: "Approvals", outbox: "Outbox", holds: "Holds" },
};

test("a rule asks, a manager says yes by keyboard, and the mail leaves", async ({ as, look }) => {
  test.slow();
  const page = await as("manager", "zh");
  await page.goto("/runs");
  const { id, run } = await asking(page);

  await page.goto(`/runs/${run}`);
  await expect(h1(page)).toContainText(id);
  await expect(page.getByRole("heading", { name: "正在等待" })).toBeVisible();
  await expect(page.getByText("主题 包含", { exact: false }).first()).toBeVisible();
  await look(page, "auto-run-waiting-zh");

  await page.getByRole("link", { name: "查看审批" }).click();
  const card = page.getByRole("article", { name: new RegExp(id) });
  await expect(card).toContainText("86,500 元");
  await expect(page.locator(".nav .badge").first()).toBeVisible();
  await look(page, "auto-approvals-zh");
  await card.focus();
  await page.keyboard.press("y");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("批准");
  await dialog.getByRole("textbox").fill("价格没问题");
  await page.keyboard.press("Tab");
  await dialog.getByRole("button", { name: "批准" }).press("Enter");
  await expect(dialog).toBeHidden();

  await page.goto(`/runs/${run}`);
  await expect(page.locator(".head .state").first()).toHaveText("已完成");
  await expect(page.locator(".effect").filter({ hasText: `报价 ${id}` }).last()).toContainText(customer);
  await look(page, "auto-run-zh");
  await page.getByRole("tab", { name: "流程图" }).click();
  await expect(page.locator(".react-flow__node").first()).toBeVisible();
  await look(page, "auto-run-flow-zh");

  await page.goto(`/outbox?tab=finished&recipient=${encodeURIComponent(customer)}`);
  await page.getByRole("row").getByText(`报价 ${id}`, { exact: true }).click();
  await expect(h1(page)).toHaveText(`报价 ${id}`);
  await expect(page.getByText("服务器已接收。")).toBeVisible();
  await look(page, "auto-outbox-mail-zh");

  await page.goto("/approvals?view=decided");
  await page.getByRole("button", { name: new RegExp(id) }).click();
  await expect(page.getByRole("article", { name: new RegExp(id) })).toContainText("价格没问题");
});

test("an approval on a phone is refused with a reason", async ({ as, look }) => {
  test.slow();
  const page = await as("manager", "zh", { phone: true });
  await page.goto("/runs");
  await expect(page.getByRole("list", { name: "运行记录" })).toBeVisible();
  const { id, run } = await asking(page);
  await look(page, "auto-runs-phone");
  await page.goto("/approvals");
  await page.getByRole("button", { name: new RegExp(id) }).click();
  await expect(h1(page)).toContainText(id);
  await look(page, "auto-approval-phone");
  await page.getByRole("button", { name: "拒绝" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("价格过低");
  await page.getByRole("dialog").getByRole("button", { name: "拒绝" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect.poll(async () => (await ask(page, "GET", `/api/v1/runs/${run}`)).body.state).toBe("done");
  await page.goto(`/runs/${run}`);
  await expect(h1(page)).toContainText(id);
  await look(page, "auto-run-phone");
  await page.goto(`/rules/${id}?tab=flow`);
  await expect(page.locator(".flow-item").first()).toBeVisible();
  await look(page, "auto-flow-phone");
});

test("the flow, versions with their differences, the way back, and a trial of a draft, in the dark", async ({ as, look }) => {
  test.slow();
  const page = await as("admin", "en", { dark: true });
  await page.goto("/runs");
  const { id, run } = await asking(page);

  await page.goto(`/rules/${id}?tab=flow&over=run-${run}`);
  await expect(page.locator(".react-flow__node").first()).toBeVisible();
  await expect(page.locator(".flow-state").first()).toBeVisible();
  await look(page, "auto-flow-run-dark");
  await page.goto(`/rules/${id}?tab=flow&over=days-7`);
  await expect(page.locator(".flow-state").first()).toContainText("once");
  await page.getByRole("button", { name: "Zoom in" }).click();
  await look(page, "auto-flow-counts-dark");

  const { etag } = await ask(page, "GET", `/api/v1/rules/${id}`);
  const changed = rule(id, "您好，报价已通过审批，详见附件。");
  changed.when = { all: changed.when.all.slice(0, 1) } as typeof changed.when;
  expect((await ask(page, "PUT", `/api/v1/rules/${id}`, { rule: changed }, etag)).status).toBe(200);

  await page.goto(`/rules/${id}?tab=try`);
  await page.getByRole("button", { name: "Try", exact: true }).click();
  await expect(page.getByRole("group", { name: "In numbers" })).toBeVisible({ timeout: 60_000 });
  await look(page, "auto-try-dark");
  await page.getByRole("tab", { name: /would have done/ }).click();
  await page.getByRole("row").filter({ hasText: id }).first().click();
  await expect(page.getByRole("dialog").getByText("would happen").first()).toBeVisible();
  await look(page, "auto-try-sample-dark");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await page.getByRole("button", { name: "Publish this" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Publish" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();

  await page.goto(`/rules/${id}?tab=versions`);
  const second = page.getByRole("row").filter({ hasText: "in force" });
  await second.getByRole("button", { name: /change/ }).click();
  await expect(page.locator(".changes ins").filter({ hasText: "详见附件" })).toBeVisible();
  await look(page, "auto-versions-dark");
  await page.getByRole("button", { name: "Go back to it" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Go back" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page.getByRole("row").filter({ hasText: "in force" }).filter({ hasText: "首次发布" })).toBeVisible();
  await page.goto(`/rules/${id}?tab=runs`);
  await page.getByRole("row").filter({ hasText: id }).first().click();
  await page.getByRole("button", { name: "End this run" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("a test");
  await page.getByRole("dialog").getByRole("button", { name: "End this run" }).click();
  await expect(page.locator(".head .state").first()).toHaveText("ended by a person");
});

test("a rule and a domain are held and released, with who and why", async ({ as, look }) => {
  const page = await as("admin", "zh");
  const domain = `d${Math.random().toString(36).slice(2, 8)}.example`;
  await page.goto("/holds");
  await page.getByRole("button", { name: "暂停域名" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("域名").fill(domain);
  await dialog.getByLabel("原因（供他人了解）").fill("对方服务器故障");
  await dialog.getByRole("button", { name: "暂停域名" }).click();
  await expect(dialog).toBeHidden();
  const row = page.getByRole("listitem").filter({ hasText: domain });
  await expect(row).toContainText("对方服务器故障");
  await look(page, "auto-holds-zh");
  await row.getByRole("button", { name: "放行" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "放行" }).click();
  await expect(row).toBeHidden();
  // The switch for all is asked and not thrown: other tests run beside this one.
  await page.getByRole("button", { name: "停止所有规则" }).click();
  await expect(page.getByRole("dialog")).toContainText("条规则");
  await expect(page.getByRole("dialog").getByRole("button", { name: "停止所有规则" })).toBeDisabled();
  await page.keyboard.press("Escape");
});

test("an address is kept from mail of rules, and let in again", async ({ as, look }) => {
  const page = await as("admin", "en");
  const address = `a${Math.random().toString(36).slice(2, 8)}@customer.example`;
  await page.goto("/outbox?tab=suppressions");
  await page.getByRole("button", { name: "Add an address" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Mail address").fill(address);
  await dialog.getByLabel("Note").fill("asked by telephone");
  await dialog.getByLabel("Note").press("Enter");
  await expect(dialog).toBeHidden();
  const row = page.getByRole("row").filter({ hasText: address });
  await expect(row).toContainText("asked by telephone");
  await look(page, "auto-suppressions-en");
  await row.getByRole("button", { name: "Take off" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take off" }).click();
  await expect(row).toBeHidden();
  await page.getByRole("tab", { name: "Came back" }).click();
  await expect(page).toHaveURL(/tab=bounces/);
  await look(page, "auto-bounces-en");
});

for (const [role, lang, may] of [
  ["agent", "en", ["runs", "approvals", "holds"]],
  ["auditor", "zh", ["runs", "outbox", "holds"]],
] as ["agent" | "auditor", Lang, (keyof typeof words.zh)[]][]) {
  test(`what ${role} sees`, async ({ as, look }) => {
    const page = await as(role, lang);
    for (const at of may) {
      await page.goto(`/${at}`);
      await expect(h1(page)).toHaveText(words[lang][at]);
      await expect(page.locator(".bones")).toHaveCount(0);
      await look(page, `auto-${at}-${role}`);
    }
    await expect(page.getByRole("button", { name: /停止所有规则|Stop all rules/ })).toHaveCount(0);
    await expect(page.locator(".nav")).not.toContainText(role === "agent" ? words.en.outbox : words.zh.approvals);
  });
}
