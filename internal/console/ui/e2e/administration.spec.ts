// People, teams and roles; tokens; audit; settings; the API reference: on the real program, by mouse and by keyboard.
import { expect, test } from "./test";

const h1 = (page: import("@playwright/test").Page) => page.getByRole("heading", { level: 1 });
const unique = () => Math.random().toString(36).slice(2, 8);

test("people: each role sees its part, in both languages", async ({ as, look }) => {
  const page = await as("admin", "zh");
  await page.goto("/people");
  await expect(h1(page)).toHaveText("人员与团队");
  await expect(page.getByRole("row", { name: /sun\.ming@sunrise\.example/ })).toContainText("管理员");
  await look(page, "people-zh");

  const phone = await as("admin", "zh", { phone: true });
  await phone.goto("/people");
  await expect(phone.getByText("sun.ming@sunrise.example")).toBeVisible();
  await look(phone, "people-zh-phone");

  const auditor = await as("auditor", "en", { dark: true });
  await auditor.goto("/people?tab=roles");
  await expect(auditor.getByRole("group", { name: "What each role may do" })).toBeVisible();
  await expect(auditor.getByRole("row", { name: /Change settings/ }).getByRole("cell").nth(0)).toContainText("yes", { ignoreCase: true });
  await expect(auditor.getByRole("button", { name: "Add a person" })).toBeHidden();
  await look(auditor, "roles-en-dark");
});

test("a person is added, invited, changed, disabled and removed; a mistake stands at its input", async ({ as, look }) => {
  const page = await as("admin", "zh");
  const address = `li.na.${unique()}@sunrise.example`;
  await page.goto("/people");
  await page.getByRole("button", { name: "添加人员" }).click();
  const dialog = page.getByRole("dialog", { name: "添加人员" });
  await dialog.getByLabel("邮箱地址").fill(address);
  await dialog.getByLabel("姓名").fill("李娜");
  await dialog.getByRole("radio", { name: /经理/ }).check();
  await expect(dialog.getByText("将看到：只有自己的邮件（还没有负责的团队）")).toBeVisible();
  await look(page, "people-add-zh");
  await dialog.getByLabel("姓名").press("Enter");
  const link = page.getByRole("dialog", { name: "给 李娜 的链接" });
  await expect(link.getByLabel("链接", { exact: true })).toHaveValue(/\/setup#\S+/);
  await link.getByRole("button", { name: "我已保存" }).click();

  await page.getByLabel("姓名或邮箱").fill(address);
  await expect(page).toHaveURL(/search=/);
  await page.getByRole("row", { name: new RegExp(address) }).click();
  const drawer = page.getByRole("dialog", { name: "人员" });
  await expect(drawer.getByText("查看团队的邮件和客户")).toBeVisible();
  await look(page, "person-zh");
  await drawer.getByRole("button", { name: "停用" }).click();
  await page.getByRole("dialog", { name: "停用" }).getByRole("button", { name: "停用" }).click();
  await expect(drawer.getByText("已停用")).toBeVisible();
  await drawer.getByRole("button", { name: "移除" }).click();
  await page.getByRole("dialog", { name: "移除" }).getByRole("button", { name: "移除" }).click();
  await expect(drawer).toBeHidden();
  await expect(page.getByText("没有符合条件的结果")).toBeVisible();
});

test.describe("what is refused says why", () => {
  test.use({ expected: /status of (409|422|412)/ });

  test("an address that somebody has already", async ({ as }) => {
    const page = await as("admin", "en");
    await page.goto("/people?add=1");
    const dialog = page.getByRole("dialog", { name: "Add a person" });
    await dialog.getByLabel("Mail address").fill("li.wei@sunrise.example");
    await dialog.getByLabel("Name", { exact: true }).fill("Li Wei");
    await dialog.getByRole("button", { name: "Add a person" }).click();
    await expect(dialog.getByText(/address/i).last()).toBeVisible();
    await expect(dialog.getByRole("alert").first()).toBeVisible();
  });

  test("a setting that would not be valid: at its input, with what to do, and nothing is written", async ({ as, look }) => {
    const page = await as("admin", "zh");
    await page.goto("/settings?section=console");
    const input = page.getByLabel("审计保留时间", { exact: true });
    await input.fill("3");
    await page.getByRole("button", { name: "查看并保存" }).click();
    const dialog = page.getByRole("dialog", { name: "确认修改" });
    await expect(dialog.getByRole("alert").first()).toBeVisible();
    await expect(dialog.getByRole("button", { name: "写入并生效" })).toBeDisabled();
    await look(page, "settings-mistake-zh");
    await dialog.getByRole("button", { name: "继续修改" }).click();
    await expect(page.locator(".setting[data-mistake]")).toContainText("审计保留时间");
    await page.getByRole("button", { name: "全部放弃" }).click();
    await expect(page.getByText("处修改尚未保存")).toBeHidden();
  });
});

test("a team is made, and its manager sees the mail of its members", async ({ as, look }) => {
  const page = await as("admin", "en");
  const name = `Sales ${unique()}`;
  await page.goto("/people?tab=teams");
  await page.getByRole("button", { name: "Make a team" }).first().click();
  const dialog = page.getByRole("dialog", { name: "Make a team" });
  await dialog.getByLabel("Name of the team").fill(name);
  await dialog.getByLabel("Managers").fill("wang.fang");
  await page.getByTitle(/wang\.fang@sunrise\.example/).first().click();
  await dialog.getByLabel("Members").fill("li.wei");
  await page.getByTitle(/li\.wei@sunrise\.example/).last().click();
  await dialog.getByLabel("Name of the team").click(); // closes the choice
  await dialog.getByRole("button", { name: "Make a team" }).click();
  await expect(page.getByRole("row", { name: new RegExp(name) })).toBeVisible();
  await look(page, "teams-en");
  await page.getByRole("row", { name: new RegExp(name) }).click();
  const edit = page.getByRole("dialog", { name: "Edit team" });
  await edit.getByRole("button", { name: "Delete the team" }).click();
  await page.getByRole("dialog", { name: "Delete the team" }).getByRole("button", { name: "Delete the team" }).click();
  await expect(page.getByRole("row", { name: new RegExp(name) })).toBeHidden();
});

test("a token is shown once, works as it says, and is refused when it is revoked", async ({ as, look, playwright, baseURL }) => {
  const page = await as("admin", "zh");
  const name = `每晚导出 ${unique()}`;
  await page.goto("/tokens?add=1");
  const dialog = page.getByRole("dialog", { name: "新建令牌" });
  await dialog.getByLabel("用途").fill(name);
  await dialog.getByRole("checkbox", { name: "查看客户" }).check();
  await look(page, "token-add-zh");
  await dialog.getByRole("button", { name: "新建令牌" }).click();
  const made = page.getByRole("dialog", { name: "新令牌" });
  const secret = (await made.locator("pre").first().innerText()).trim();
  expect(secret).toMatch(/^hel_/);
  await expect(made.locator("pre").nth(1)).toContainText("/api/v1/customers");
  await made.getByRole("button", { name: "我已保存" }).click();
  const program = await playwright.request.newContext({ baseURL, extraHTTPHeaders: { Authorization: `Bearer ${secret}` } });
  expect((await program.get("/api/v1/customers?limit=1")).status()).toBe(200);
  expect((await program.get("/api/v1/messages?limit=1")).status()).toBe(403);
  const row = page.getByRole("row", { name: new RegExp(name) });
  await expect(row).toContainText("查看客户");
  await row.getByRole("button", { name: "吊销" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "吊销" }).click();
  await expect(row).toBeHidden();
  expect((await program.get("/api/v1/customers?limit=1")).status()).toBe(401);
  await program.dispose();
});

test("the record tells who did what, is found by person and day, and is whole", async ({ as, look }) => {
  const page = await as("auditor", "en", { dark: true });
  await page.goto("/audit");
  await expect(h1(page)).toHaveText("Audit");
  await expect(page.getByRole("row").nth(1)).toBeVisible();
  await look(page, "audit-en-dark");
  await page.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByText("The record is whole")).toBeVisible();
  await expect(page).toHaveURL(/verify=1/);
  await page.keyboard.press("Escape");

  await page.goto("/audit?action=setUp");
  const row = page.getByRole("row").nth(1);
  await row.focus();
  await page.keyboard.press("Enter");
  const drawer = page.getByRole("dialog", { name: "Row of the record" });
  await expect(drawer.getByText("setUp", { exact: true })).toBeVisible();
  await look(page, "audit-row-en-dark");
  await page.reload();
  await expect(drawer.getByText("setUp", { exact: true })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(drawer).toBeHidden();

  await page.getByRole("button", { name: "Export" }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: /CSV/ }).getByRole("link").click();
  expect((await download).suggestedFilename()).toMatch(/\.csv$/);
});

test("settings: a change is listed, checked, written, and in force; the default comes back", async ({ as, look }) => {
  const page = await as("admin", "zh");
  await page.goto("/settings?section=mirror");
  await expect(h1(page)).toHaveText("设置");
  await look(page, "settings-zh");
  const workers = page.getByLabel("并行处理数", { exact: true });
  await workers.fill("6");
  await page.getByRole("button", { name: "查看并保存" }).click();
  const dialog = page.getByRole("dialog", { name: "确认修改" });
  await expect(dialog.getByText("mirror.workers", { exact: true })).toBeVisible();
  await expect(dialog.getByText(/检查通过/)).toBeVisible();
  await look(page, "settings-review-zh");
  await dialog.getByRole("button", { name: "写入并生效" }).click();
  await expect(page.getByText("设置已保存")).toBeVisible();
  await expect(page.locator(".setting", { hasText: "mirror.workers" })).toContainText(/文件第 \d+ 行/);
  await page.locator(".setting", { hasText: "mirror.workers" }).getByRole("button", { name: "改用默认值" }).click();
  await page.getByRole("button", { name: "查看并保存" }).click();
  await expect(dialog.getByText(/检查通过/)).toBeVisible();
  await dialog.getByRole("button", { name: "写入并生效" }).click();
  await expect(page.locator(".setting", { hasText: "mirror.workers" })).not.toContainText(/文件第 \d+ 行/);
});

test("settings are found by words, hide secrets, and cannot be changed by an auditor", async ({ as, look }) => {
  const page = await as("auditor", "en", { phone: true });
  await page.goto("/settings?q=password");
  await expect(page.getByText("Set, not shown").or(page.getByText("Not set")).first()).toBeVisible();
  await expect(page.getByRole("textbox", { name: /secret/i })).toHaveCount(0);
  await look(page, "settings-en-phone");
});

test("the API reference: found, read and linked to, by keyboard", async ({ as, look }) => {
  const page = await as("agent", "en");
  await page.goto("/reference");
  await expect(h1(page)).toHaveText("API reference");
  await look(page, "reference-en");
  await page.getByLabel("Operation, path or words").fill("make an api token");
  await page.getByRole("link", { name: /Make an API token/ }).focus();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/reference\/createToken/);
  await expect(page.locator("pre", { hasText: "curl -X POST" }).first()).toContainText("$HELIOGRAPH_TOKEN");
  await expect(page.getByText("Make API tokens for oneself")).toBeVisible();
  await look(page, "reference-operation-en");
  const phone = await as("agent", "zh", { phone: true, dark: true });
  await phone.goto("/reference/createToken");
  await expect(phone.getByText("为自己创建 API 令牌")).toBeVisible();
  await look(phone, "reference-zh-phone-dark");
});
