// The designer of rules by keyboard alone, and what it does besides: dragging, undo, previews, guards, formulas, trials, and two people at one rule.
import type { Locator, Page } from "@playwright/test";
import { ask } from "./ask";
import { send, word } from "./smtp";
import { expect, test } from "./test";

test.use({ actionTimeout: 12_000, expected: /status of 412/ });

const title = (page: Page) => page.getByRole("heading", { level: 1 });
const step = (page: Page, name: string) => page.getByRole("region", { name: new RegExp(`^[\\d.]+ ${name}$`) });
const order = (page: Page) => page.locator(".rd-step .rd-fold strong");

/** Goes on with Tab, or another key, until something has the keys. */
async function to(page: Page, target: Locator, key = "Tab") {
  await target.waitFor({ state: "attached" });
  for (let i = 0; i < 120; i++) {
    if (await target.evaluate((el) => el === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${key} does not lead to ${target.toString()}`);
}

/** Scrolls up, so that nothing lies half below the bar that stays. */
const top = (page: Page) => page.evaluate(() => scrollTo(0, 0));

/** Takes a step by its handle and drops it. It is taken up before the page scrolls to the target, as a hand does. */
async function drag(page: Page, name: string, target: Locator) {
  const handle = page.getByRole("button", { name: `移动“${name}”` });
  await handle.hover();
  const at = (await handle.boundingBox())!;
  await page.mouse.down();
  await page.mouse.move(at.x + at.width / 2 + 8, at.y + at.height / 2 + 8, { steps: 4 });
  await target.hover({ force: true });
  await page.mouse.up();
}

/** Chooses in the list of fields, which has the keys when it is open. */
async function field(page: Page, name: string) {
  const find = page.getByRole("combobox", { name: "查找字段" });
  await expect(find).toBeFocused();
  await page.keyboard.insertText(name);
  await expect(page.getByRole("option", { selected: true })).toHaveText(new RegExp(`${name}$`));
  await page.keyboard.press("Enter");
  await expect(find).toBeHidden();
}

/** Adds a step at the end of the rule. */
async function add(page: Page, name: string) {
  await to(page, page.getByRole("button", { name: "添加步骤", exact: true }));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("textbox", { name: /要做什么/ })).toBeFocused();
  await page.keyboard.insertText(name);
  await page.keyboard.press("Enter");
  await expect(step(page, name)).toBeVisible();
}

test("a rule is built, published and seen at work by keyboard alone", async ({ as, look }) => {
  test.slow();
  const page = await as("admin");
  const keys = page.keyboard;
  const mark = `J${Date.now().toString(36)}`;
  await page.goto("/rules");
  await to(page, page.getByRole("link", { name: "新建规则" }));
  await keys.press("Enter");
  await to(page, page.getByRole("button", { name: "从空白开始" }));
  await keys.press("Enter");
  await to(page, page.getByLabel("这条规则叫什么？"));
  await keys.insertText(`键盘 ${mark}`);
  await keys.press("Enter");
  await expect(title(page)).toHaveText(`键盘 ${mark}`);

  await to(page, page.getByRole("radio", { name: "来信" }));
  for (let i = 0; i < 3; i++) await keys.press("ArrowRight");
  await expect(page.getByRole("radio", { name: "全部" })).toBeChecked();
  await to(page, page.getByLabel("哪些邮箱"));
  await keys.insertText("support@sunrise.example");
  await keys.press("Enter");
  await to(page, page.getByRole("group", { name: "如果" }).getByRole("button", { name: "添加条件" }));
  await keys.press("Enter");
  const which = page.getByRole("button", { name: /^字段/ });
  await to(page, which);
  await keys.press("Enter");
  await field(page, "主题");
  await expect(which, "the keys are where they were").toBeFocused();
  await to(page, page.getByRole("group", { name: "如果" }).getByLabel("值", { exact: true }));
  await keys.insertText(mark);
  await keys.press("Enter");

  await add(page, "回复邮件");
  await to(page, step(page, "回复邮件").getByRole("textbox", { name: "正文" }));
  await keys.insertText("您好，已收到：");
  await keys.type("/");
  await field(page, "主题");
  await expect(step(page, "回复邮件").getByRole("textbox", { name: "正文" })).toContainText("您好，已收到：邮件 · 主题");
  await add(page, "打标签");
  await to(page, step(page, "打标签").getByRole("combobox", { name: "添加" }));
  await keys.insertText(mark);
  await keys.press("Enter");
  await expect(order(page)).toHaveText(["回复邮件", "打标签"]);
  await keys.press("Alt+ArrowUp");
  await expect(order(page)).toHaveText(["打标签", "回复邮件"]);
  await expect(page.locator(".rd-sentence")).toContainText(mark);
  await keys.press("Control+s");
  await expect(page.getByText("已保存", { exact: true })).toBeVisible();
  await look(page, "auto-keyboard-zh");

  await to(page, page.getByRole("button", { name: "发布", exact: true }), "Shift+Tab");
  await keys.press("Enter");
  const dialog = page.getByRole("dialog");
  await to(page, dialog.getByRole("radio", { name: /先影子运行/ }));
  await keys.press("ArrowUp"); // from the first to the last
  await expect(dialog.getByRole("radio", { name: /直接上线/ })).toBeChecked();
  await to(page, dialog.getByRole("button", { name: "上线", exact: true }));
  await keys.press("Enter");
  await expect(page.getByText("第 1 版已上线")).toBeVisible();
  await expect(dialog).toBeHidden();

  await send("li.wei@sunrise.example", ["support@sunrise.example"], `From: li.wei@sunrise.example\nTo: support@sunrise.example\nSubject: ${word(`主轴 ${mark}`)}\nMessage-ID: <${mark}@sunrise.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n请查收。\n`);
  const id = new URL(page.url()).pathname.split("/").pop()!;
  await expect.poll(async () => ((await ask(page, "GET", `/api/v1/runs?rule=${id}`)).body.items as { state: string }[]).map((r) => r.state)).toEqual(["done"]);
  await to(page, page.getByRole("tab", { name: "设计" }), "Shift+Tab");
  for (let i = 0; i < 4; i++) await keys.press("ArrowRight");
  await keys.press("Enter");
  await to(page, page.getByRole("row").filter({ hasText: mark }).first());
  await keys.press("Enter");
  await expect(title(page)).toContainText(mark);
  await expect(page.locator(".effect").filter({ hasText: "li.wei@sunrise.example" })).toBeVisible();
});

const draft = (id: string) => ({
  id,
  name: `设计 ${id}`,
  owner: "sun.ming@sunrise.example",
  trigger: { type: "mail", direction: "any" },
  when: { all: [{ field: "mail.subject", op: "contains", value: "询价" }] },
  steps: [
    { id: "tag", do: "tag", with: { add: ["询价"] } },
    { id: "mail", do: "send_mail", with: { to: ["{{.mail.from.address}}"], subject: "已收到：{{.mail.subject}}", text: "{{.mail.from.name | default \"客户\"}}您好，我们已收到您的来信。" } },
    { id: "way", do: "branch", with: { cases: [{ when: { field: "mail.subject", op: "contains", value: "加急" }, steps: [] }] } },
  ],
});

/** A rule as somebody left it. */
async function left(page: Page) {
  const id = `design-${Math.random().toString(36).slice(2, 8)}`;
  await page.goto("/rules/new");
  const made = await ask(page, "POST", "/api/v1/rules", { rule: draft(id) });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  await page.goto(`/rules/${id}`);
  await expect(order(page)).toHaveText(["打标签", "发邮件", "分情况处理"]);
  return id;
}

test("steps are dragged, undone and redone; a mail is previewed on a real one; guards and a formula are set; the draft is tried on a mail of the past", async ({ as, look }) => {
  test.slow();
  const page = await as("admin");
  const id = await left(page);
  const mark = id.replace("-", "");
  await send("li.wei@sunrise.example", ["chen.jing@huaxia-machinery.example"], `From: li.wei@sunrise.example\nTo: chen.jing@huaxia-machinery.example\nSubject: ${word(`询价 ${mark}`)}\nMessage-ID: <${id}@sunrise.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n请报价。\n`);
  const rule = async () => (await ask(page, "GET", `/api/v1/rules/${id}`)).body.rule as Record<string, unknown>;

  // Dragged before another one, and into a branch; undone and redone by button and by key.
  await drag(page, "发邮件", page.locator(".rd-between").first());
  await expect(order(page)).toHaveText(["发邮件", "打标签", "分情况处理"]);
  await drag(page, "打标签", page.getByRole("button", { name: "满足时做什么", exact: true }));
  await expect(step(page, "打标签")).toHaveAccessibleName("2.1 打标签");
  await page.getByRole("button", { name: "撤销" }).click();
  await page.keyboard.press("Control+z");
  await expect(order(page)).toHaveText(["打标签", "发邮件", "分情况处理"]);
  await page.keyboard.press("Control+y");
  await page.getByRole("button", { name: "重做" }).click();
  await expect(step(page, "打标签")).toHaveAccessibleName("2.1 打标签");

  // The mail as it would look, with samples and with a mail of the past.
  await step(page, "发邮件").getByRole("button", { name: "预览" }).click();
  const preview = page.getByRole("complementary", { name: "预览" });
  await expect(preview).toContainText("我们已收到您的来信");
  await preview.getByRole("combobox", { name: "用哪封邮件预览" }).click();
  const past = page.locator(".ant-select-dropdown:not(.ant-select-dropdown-hidden) .rd-mailopt").nth(1);
  const subject = (await past.locator(".cut").first().textContent())!;
  await past.click();
  await expect(preview).toContainText(`已收到：${subject}`);
  await expect(preview.locator("dd").first()).toContainText("@");
  await top(page);
  await look(page, "auto-preview-zh");

  // Guards.
  await page.getByRole("button", { name: "安全限制" }).click();
  const guards = page.getByRole("dialog", { name: "安全限制" });
  const each = guards.getByRole("group", { name: "每个收件人的上限" });
  await each.getByRole("switch").click();
  await each.getByRole("spinbutton", { name: "最多" }).fill("2");
  await guards.getByRole("switch", { name: "免打扰时间" }).click();
  await guards.getByLabel("从").fill("21:30");
  await top(page);
  await look(page, "auto-guards-zh");
  await page.keyboard.press("Escape");
  await expect(guards).toBeHidden();

  // A formula: wrong first, told where, then right.
  const when = page.getByRole("group", { name: "如果" });
  await when.getByRole("button", { name: "其他方式" }).click();
  await page.getByRole("menuitem", { name: "高级公式" }).click();
  const formula = when.getByRole("textbox", { name: "高级公式" });
  await formula.fill("size(mail.attachments) >");
  await expect(when.getByRole("status")).toBeVisible();
  await top(page);
  await look(page, "auto-formula-zh");
  await formula.fill("size(mail.attachments) >= 0");
  await expect(when.getByRole("status")).toBeHidden();
  await page.getByRole("button", { name: "保存草稿" }).click();
  await expect(page.getByText("已保存", { exact: true })).toBeVisible();
  const kept = await rule();
  expect(kept.guards).toMatchObject({ per_recipient: { count: 2, per: "24h" }, quiet_hours: { from: "21:30" } });
  expect(kept.when).toEqual({ all: [{ field: "mail.subject", op: "contains", value: "询价" }, { cel: "size(mail.attachments) >= 0" }] });
  expect((kept.steps as { id: string }[]).map((s) => s.id)).toEqual(["mail", "way"]);

  // Tried on a mail of the past.
  await page.getByRole("button", { name: "试一试" }).click();
  const drawer = page.getByRole("dialog", { name: "试一试" });
  await drawer.getByRole("combobox", { name: /邮件/ }).click();
  await expect.poll(async () => (await ask(page, "GET", `/api/v1/messages?q=${mark}`)).body.items).not.toEqual([]);
  await page.keyboard.insertText(mark);
  // The newest mails are there first, ours among them, until the search has its answer.
  const offered = page.locator(".ant-select-dropdown:not(.ant-select-dropdown-hidden) .rd-mailopt");
  await expect(offered).toHaveCount(1);
  await offered.click();
  await expect(offered).toBeHidden();
  await drawer.getByRole("button", { name: "开始" }).click();
  await expect(drawer.locator(".rd-result")).toContainText("会触发");
  await expect(drawer.locator(".rd-sample").first()).toContainText("已收到：");
  await top(page);
  await look(page, "auto-trypast-zh");
});

test("two people change one rule: told who and what, merged where they differ, asked where they meet", async ({ as, look }) => {
  const page = await as("admin", "en");
  const other = await as("manager");
  await page.goto("/rules/new");
  const id = `design-${Math.random().toString(36).slice(2, 8)}`;
  expect((await ask(page, "POST", "/api/v1/rules", { rule: draft(id) })).status).toBe(201);
  await other.goto("/rules/new");
  const theirs = async (change: (rule: ReturnType<typeof draft>) => void) => {
    const { etag, body } = await ask(other, "GET", `/api/v1/rules/${id}`);
    const rule = body.rule as ReturnType<typeof draft>;
    change(rule);
    expect((await ask(other, "PUT", `/api/v1/rules/${id}`, { rule }, etag)).status).toBe(200);
  };
  const now = async () => (await ask(page, "GET", `/api/v1/rules/${id}`)).body.rule as ReturnType<typeof draft>;
  const value = page.getByRole("group", { name: "IF" }).getByLabel("Value", { exact: true });

  await page.goto(`/rules/${id}`);
  await value.fill("报价");
  await theirs((r) => (r.name = "他人改名"));
  await page.getByRole("button", { name: "Save draft" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("wang.fang@sunrise.example");
  await look(page, "auto-conflict-en");
  await dialog.getByRole("button", { name: /Merge/ }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText("Saved", { exact: true })).toBeVisible();
  await expect.poll(async () => [(await now()).name, (await now()).when.all[0]!.value]).toEqual(["他人改名", "报价"]);

  await value.fill("合同");
  await theirs((r) => (r.when.all[0]!.value = "订单"));
  await page.getByRole("button", { name: "Save draft" }).click();
  await expect(dialog.getByRole("button", { name: /Merge/ })).toHaveCount(0);
  await dialog.getByRole("button", { name: /mine/ }).click();
  await expect.poll(async () => (await now()).when.all[0]!.value).toBe("合同");
});
