// Business people build rules by pointing and by typing words, and the rules then do what they say, on the real program.
import { execFileSync } from "node:child_process";
import type { Locator, Page } from "@playwright/test";
import { ask } from "./ask";
import { demo, send, word } from "./smtp";
import { expect, test } from "./test";

test.describe.configure({ timeout: 240_000 });

test.use({ actionTimeout: 12_000 });

const fields = (page: Page) => page.getByRole("listbox", { name: "可用的字段" });

/** Chooses a field in the list that is open. */
async function pick(page: Page, name: string, group?: string) {
  const list = group ? fields(page).getByRole("group", { name: group }) : fields(page);
  await list.getByRole("option").filter({ has: page.getByText(name, { exact: true }) }).first().click();
  await expect(fields(page)).toBeHidden();
}

/** Adds a step by mouse. */
async function add(page: Page, place: Locator, step: string) {
  await place.click();
  await page.locator(".rd-palette").getByRole("button", { name: new RegExp(`^${step}`) }).click();
  await expect(page.locator(".rd-palette")).toBeHidden();
}

/** Chooses in a select by mouse. The list of another one may still be closing: its own is known by its id. */
async function choose(page: Page, select: Locator, option: string) {
  await select.click();
  await expect(select).toHaveAttribute("aria-controls", /./);
  const list = await select.getAttribute("aria-controls");
  const popup = page.locator(".ant-select-dropdown").filter({ has: page.locator(`[id="${list}"]`) });
  await popup.getByText(option, { exact: true }).first().click();
}

/** Writes words where a text with fields is edited, at its end. */
async function type(page: Page, box: Locator, text: string) {
  await box.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.insertText(text);
}

async function begin(page: Page, name: string) {
  await page.goto("/rules");
  await page.getByRole("link", { name: "新建规则" }).click();
  await page.getByRole("button", { name: "从空白开始" }).click();
  await page.getByLabel("这条规则叫什么？").fill(name);
  await page.getByRole("dialog").getByRole("button", { name: "开始" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(name);
  await expect(page.getByRole("heading", { name: "什么事情发生时" })).toBeVisible();
}

async function publishLive(page: Page) {
  await expect(page.locator(".rd-side")).toContainText(/没有发现问题|可以发布/);
  await page.getByRole("button", { name: "发布", exact: true }).click();
  await page.getByText("直接上线").click();
  await page.getByRole("dialog").getByRole("button", { name: "上线", exact: true }).click();
  await expect(page.getByText("第 1 版已上线")).toBeVisible();
}

/** Waits until the rule's page shows a run. Changes of records are looked for once a minute. */
async function ran(page: Page) {
  await expect(async () => {
    await page.getByRole("tab", { name: "运行记录" }).click();
    await page.reload();
    await expect(page.getByRole("table")).toContainText("完成", { timeout: 3000 });
  }).toPass({ timeout: 90_000 });
}

const step = (page: Page, name: string) => page.getByRole("region", { name: new RegExp(`^[\\d.]+ ${name}$`) });

test("a complaint becomes a ticket and gets a receipt, built by mouse", async ({ as, look }) => {
  const page = await as("admin");
  const mark = `K${Date.now().toString(36)}`;
  await begin(page, `投诉建单 ${mark}`);
  await page.getByText("全部", { exact: true }).first().click();
  const accounts = page.getByLabel("哪些邮箱");
  await accounts.fill("support@sunrise.example");
  await accounts.press("Enter");

  const when = page.getByRole("group", { name: "如果" });
  await when.getByRole("button", { name: "添加条件" }).click();
  await when.getByRole("button", { name: /^字段/ }).click();
  await pick(page, "主题", "邮件");
  await when.getByLabel("值", { exact: true }).fill(mark);
  await when.getByLabel("值", { exact: true }).press("Enter");

  await add(page, page.getByRole("button", { name: "添加步骤", exact: true }), "建工单");
  await expect(step(page, "建工单")).toContainText("邮件 · 主题");
  await add(page, page.getByRole("button", { name: "添加步骤", exact: true }), "回复邮件");
  const body = step(page, "回复邮件").getByRole("textbox", { name: "正文" });
  await type(page, body, "您好，工单号 ");
  await step(page, "回复邮件").getByRole("button", { name: "插入字段: 正文" }).click();
  await pick(page, "编号", "1 建工单");
  await type(page, body, "。我们会尽快联系您。");
  await expect(body).toContainText("您好，工单号 1 建工单 · 编号");
  await expect(page.locator(".rd-sentence")).toContainText("建工单");
  await look(page, "rules-designer-zh");

  await page.getByRole("button", { name: "试一试" }).click();
  await page.getByText("自己编一个").click();
  const drawer = page.getByRole("dialog", { name: "试一试" });
  await drawer.getByLabel("主题").fill(`投诉 ${mark}`);
  await drawer.getByRole("button", { name: "开始" }).click();
  await expect(drawer).toContainText("会触发");
  await look(page, "rules-try-zh");
  await drawer.getByRole("button", { name: /close|关闭/i }).click();

  await publishLive(page);
  await send("li.wei@sunrise.example", ["support@sunrise.example"], `From: li.wei@sunrise.example\nTo: support@sunrise.example\nSubject: ${word(`投诉 ${mark}`)}\nMessage-ID: <${mark}@sunrise.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n主轴噪音很大。\n`);
  await ran(page);
});

test("a deal that is won welcomes the customer and tells the director at the same time, built by mouse", async ({ as }) => {
  const page = await as("admin");
  const mark = `K${Date.now().toString(36)}`;
  // The deal is there before the rule: what is new with a stage has not changed to it.
  const crm = (...args: string[]) => execFileSync(process.env.HELIOGRAPH_BIN ?? "../../../.cache/heliograph-e2e", ["crm", "deal", ...args, "-c", (demo() as unknown as { config: string }).config], { encoding: "utf8" });
  const id = /\d+/.exec(crm("add", "数控机床", "--stage", "谈判"))![0];
  const added = Date.now() / 1000;
  await begin(page, `成交 ${mark}`);
  await page.getByRole("button", { name: "更换" }).click();
  await page.getByRole("button", { name: /^CRM 记录发生变化/ }).click();
  await choose(page, page.getByLabel("对象"), "商机");
  const changes = page.getByLabel("哪个字段变化");
  await choose(page, changes, "阶段");
  await page.getByRole("heading", { level: 1 }).click();
  await page.getByLabel("变成").fill("已成交");
  await page.getByLabel("变成").press("Enter");

  await add(page, page.getByRole("button", { name: "添加步骤", exact: true }), "同时进行");
  for (const [way, to, subject] of [["第 1 路", "customer@kunde.example", "欢迎"], ["第 2 路", "wang.fang@sunrise.example", "成交快报"]] as const) {
    const row = page.getByRole("group", { name: way });
    await add(page, row.getByRole("button", { name: "添加同时进行的步骤" }), "发邮件");
    await row.getByLabel("收件人").fill(to);
    await row.getByLabel("收件人").press("Enter");
    await type(page, row.getByRole("textbox", { name: "主题" }), `${subject} ${mark} `);
    await row.getByRole("button", { name: "插入字段: 主题" }).click();
    await pick(page, "名称", "记录");
    await type(page, row.getByRole("textbox", { name: "正文" }), "您好");
  }
  await publishLive(page);
  await page.reload(); // what the page says of the watch is of now
  await expect(page.getByRole("tab", { name: "运行记录" })).toBeVisible();
  await expect(page.getByText("正在读取 CRM 里现有的记录")).toHaveCount(0, { timeout: 60_000 });
  // Where deals were watched before, the next look has to have seen this one, too: what is new with a stage has not changed to it.
  const looked = async () => Number(/^heliograph_changes_followed_timestamp_seconds\{target="crm"\} (\S+)$/m.exec(await page.evaluate(async () => (await fetch("/metrics")).text()))?.[1] ?? 0);
  await expect.poll(looked, { timeout: 90_000 }).toBeGreaterThan(added + 1);
  crm("set", id, "--stage", "已成交");
  await ran(page);
});

test("a monthly report sets what was spent against the budget, built by mouse", async ({ as, look }) => {
  const page = await as("admin");
  await begin(page, `预算执行 K${Date.now().toString(36)}`);
  await page.getByRole("button", { name: "更换" }).click();
  await page.getByRole("button", { name: /^到了固定时间/ }).click();
  const time = page.getByRole("combobox", { name: "什么时候" });
  await choose(page, time, "每月 1 日 09:00");
  await add(page, page.getByRole("button", { name: "添加步骤", exact: true }), "生成报表");
  const report = step(page, "生成报表");
  await type(page, report.getByRole("textbox", { name: "标题", exact: true }), "预算执行 ");
  await report.getByRole("button", { name: "插入字段: 标题" }).click();
  await pick(page, "上月", "时间");
  await choose(page, report.getByLabel("对象"), "商机");

  const amount = "金额";
  const columns = async (place: Locator, names: string[]) => {
    for (const name of names) {
      await place.getByRole("button", { name: "添加一列" }).click();
      await choose(page, place.getByRole("combobox", { name: "列", exact: true }).last(), name);
    }
  };
  await columns(report.getByRole("group", { name: "取哪些列", exact: true }), ["阶段", amount]);
  await choose(page, report.getByRole("combobox", { name: "显示为" }).last(), "金额");

  await report.getByRole("button", { name: "添加一步统计" }).click();
  const budgeting = page.getByRole("menuitem", { name: /^预算与实际对比/ });
  await budgeting.click();
  await expect(budgeting).toBeHidden();
  const compare = report.getByRole("group", { name: "1 预算与实际对比", exact: true });
  await choose(page, compare.getByRole("combobox", { name: "预算在哪张表" }), "＋ 另外查询一张表…");
  const budget = report.getByRole("group", { name: "表格“预算”" });
  await choose(page, budget.getByLabel("对象"), "商机");
  await columns(budget.getByRole("group", { name: "取哪些列", exact: true }), ["阶段", amount]);
  await choose(page, compare.getByRole("combobox", { name: "预算金额列" }), amount);
  await expect(compare, "what belongs together is proposed").toContainText("阶段");
  await report.getByRole("group", { name: "怎么统计", exact: true }).first().getByRole("button", { name: "添加一步统计" }).click();
  const totals = page.getByRole("menuitem", { name: /^合计行/ });
  await totals.click();
  await expect(totals).toBeHidden();
  await expect(report.getByRole("group", { name: "2 合计行", exact: true })).toBeVisible();
  await report.getByRole("switch", { name: "附上图表" }).click();
  await expect(report.getByRole("group", { name: "图表", exact: true })).toContainText("预算");

  await add(page, page.getByRole("button", { name: "添加步骤", exact: true }), "发邮件");
  const mail = step(page, "发邮件");
  await mail.getByLabel("收件人").fill("wang.fang@sunrise.example");
  await mail.getByLabel("收件人").press("Enter");
  await type(page, mail.getByRole("textbox", { name: "主题" }), "预算执行报告");
  await mail.getByText("HTML", { exact: true }).click();
  await mail.getByRole("button", { name: "插入字段: HTML 正文" }).click();
  await pick(page, "邮件正文", "1 生成报表");
  await mail.getByRole("button", { name: /^更多选项/ }).click();
  await choose(page, mail.getByRole("combobox", { name: "附件" }), "1 生成报表");
  await expect(page.locator(".rd-side")).toContainText(/没有发现问题|可以发布/);
  await page.evaluate(() => scrollTo(0, 0)); // words below the bar that stays are taken for its own
  await look(page, "rules-report-zh");

  await page.getByRole("button", { name: "保存草稿" }).click();
  await expect(page.getByText("已保存", { exact: true })).toBeVisible();
  const id = new URL(page.url()).pathname.split("/").pop()!;
  const { body } = await ask(page, "GET", `/api/v1/rules/${id}`);
  expect(body.problems).toEqual([]);
  expect((body.rule as { steps: { with: unknown }[] }).steps[0]!.with).toEqual({
    title: "预算执行 {{.time.last_month}}",
    target: "crm",
    object: "deals",
    outputs: ["html", "xlsx"],
    spec: {
      columns: [{ key: "stage" }, { key: "amount", kind: "money", currency: "CNY" }],
      do: [{ compare: { table: "预算", on: ["stage"], budget: "amount", actual: "amount" } }, { totals: {} }],
    },
    tables: { 预算: { target: "crm", object: "deals", spec: { columns: [{ key: "stage" }, { key: "amount" }] } } },
    chart: { kind: "bar", category: "stage", series: ["budget", "actual"] },
  });
});
