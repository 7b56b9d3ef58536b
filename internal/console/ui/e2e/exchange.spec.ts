// Import, export, tables and setting up mail programs, on the real program.
import type { Page } from "@playwright/test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "./test";

const folder = mkdtempSync(join(tmpdir(), "heliograph-exchange-"));
const h1 = (page: Page) => page.getByRole("heading", { level: 1 });

/** Writes a text as GBK, as Excel in a Chinese office does. The browser's own encoder knows UTF-8 only. */
function gbk(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, execFileSync("iconv", ["-f", "UTF-8", "-t", "GBK"], { input: text }));
  return path;
}

/** 200 people, with numbers of their own lest they be taken for those of another test; rows 31 and 32 have no address and no phone, row 33 has an address that is none. */
function people(tag: string): string {
  const rows = Array.from({ length: 200 }, (_, i) => {
    const n = String(i).padStart(3, "0");
    if (i === 30 || i === 31) return `没有地址${n},,,海蓝科技,采购`;
    if (i === 32) return `写错地址,${tag}.wrong(at)hailan.example,,海蓝科技,采购`;
    return `客户${tag}${n},${tag}${n}@hailan.example,13${tag.charCodeAt(0) % 10}${String(10000000 + tag.charCodeAt(0) * 1000 + i)},海蓝科技,采购经理`;
  });
  return ["姓名,电子邮箱,手机号,公司名称,职务", ...rows, ""].join("\r\n");
}

const steps = { zh: { columns: "下一步：对应列", check: "下一步：检查", start: "开始导入" }, en: { columns: "Next: columns", check: "Next: check", start: "Import now" } };

/** Has the browser ask us, not the system, for files: told only when the button is pressed, a busy one is told too late. */
const answersChoosers = (page: Page) => page.on("filechooser", () => undefined);

test("a GBK file of 200 people is imported by mouse", async ({ as, look }) => {
  const page = await as("admin", "zh");
  answersChoosers(page);
  await page.goto("/exchange");
  await expect(h1(page)).toHaveText("导入与导出");
  await expect(page.getByRole("button", { name: "选择文件" })).toBeVisible();
  await look(page, "exchange-zh");
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "选择文件" }).click();
  await (await chooser).setFiles(gbk("客户名单.csv", people("m")));
  await expect(h1(page)).toHaveText("客户名单.csv");
  await expect(page.getByText("GBK（GB18030）")).toBeVisible();
  await expect(page.getByRole("cell", { name: "客户m000", exact: true })).toBeVisible();
  await look(page, "import-file-zh");

  await page.getByRole("button", { name: steps.zh.columns }).click();
  await expect(page.getByLabel("电子邮箱")).toBeVisible();
  await look(page, "import-columns-zh");
  await page.getByRole("button", { name: steps.zh.check }).click();
  await expect(page.locator(".exchange-tally [data-kind=added] dd")).toHaveText("197");
  await expect(page.locator(".exchange-tally [data-kind=refused] dd")).toHaveText("3");
  await look(page, "import-check-zh");
  await page.getByText("未通过 3").click();
  await expect(page.getByText("“m.wrong(at)hailan.example”不是邮件地址")).toBeVisible();
  await expect(page.getByRole("row").filter({ hasText: "m.wrong(at)" })).toContainText("34"); // its line in the file

  await page.getByRole("button", { name: steps.zh.start }).click();
  await expect(page.getByRole("dialog")).toContainText("将新增 197 人");
  await page.getByRole("dialog").getByRole("button", { name: steps.zh.start }).click();
  await expect(page.getByText("导入完成，197 个联系人已新增或更新")).toBeVisible();
  await look(page, "import-result-zh");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "下载未通过的 3 行" }).click();
  const text = readFileSync(await (await download).path(), "utf8");
  expect(text.charCodeAt(0)).toBe(0xfeff);
  expect(text.trim().split("\n")).toHaveLength(4);

  // The same file once more changes nothing.
  await page.goto("/exchange");
  await page.locator("input[type=file]").setInputFiles(gbk("客户名单.csv", people("m")));
  await page.getByRole("button", { name: steps.zh.columns }).click();
  await page.getByRole("button", { name: steps.zh.check }).click();
  await expect(page.locator(".exchange-tally [data-kind=unchanged] dd")).toHaveText("197");
});

test("a file is imported by keyboard alone", async ({ as }) => {
  const page = await as("admin", "en");
  answersChoosers(page);
  await page.goto("/exchange");
  const choose = page.getByRole("button", { name: "Choose a file" });
  await choose.focus();
  await expect(choose).toBeFocused();
  const chooser = page.waitForEvent("filechooser");
  await page.keyboard.press("Enter");
  await (await chooser).setFiles(gbk("客户k.csv", people("k")));
  await expect(h1(page)).toHaveText("客户k.csv");
  const press = async (name: string, where = page.locator("main")) => {
    await where.getByRole("button", { name }).focus();
    await page.keyboard.press("Enter");
  };
  await press(steps.en.columns);

  // One column less: the title is not imported.
  const title = page.getByLabel("职务");
  await title.focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.type("Do not");
  await page.keyboard.press("Enter");
  await expect(page.getByText("4 of 5 columns are imported.")).toBeVisible();

  await press(steps.en.check);
  await expect(page.locator(".exchange-tally [data-kind=added] dd")).toHaveText("197");
  await press(steps.en.start);
  await page.getByRole("dialog").getByRole("button", { name: steps.en.start }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Done: 197 contacts were added or changed")).toBeVisible();
});

test("what is missing keeps an import from being checked, and a file that is none is refused", async ({ as, look }) => {
  const page = await as("admin", "en", { dark: true });
  await page.goto("/exchange");
  const path = join(folder, "phones.csv");
  writeFileSync(path, "what,ever\nfoo,bar\n");
  await page.locator("input[type=file]").setInputFiles(path);
  await page.getByRole("button", { name: steps.en.columns }).click();
  await expect(page.getByText("Something is missing before this can be imported")).toBeVisible();
  await expect(page.getByRole("button", { name: steps.en.check })).toBeDisabled();
  await look(page, "import-columns-en-dark");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(page).toHaveURL(/\/exchange$/);
});

test("a list is exported, and the file opens", async ({ as, look }) => {
  const page = await as("manager", "en", { dark: true });
  await page.goto("/exchange?tab=export");
  await expect(page.getByRole("heading", { name: "New export" })).toBeVisible();
  await page.getByRole("radio", { name: "CSV" }).check();
  await page.getByRole("button", { name: "Make the file" }).click();
  const row = page.getByRole("row").filter({ hasText: "Contacts" }).first();
  await expect(row.getByText("Ready")).toBeVisible();
  await look(page, "export-en-dark");
  const download = page.waitForEvent("download");
  await row.getByRole("link", { name: "Download" }).click();
  const text = readFileSync(await (await download).path(), "utf8");
  expect(text.charCodeAt(0)).toBe(0xfeff);
  expect(text).toContain("@");

  await page.getByRole("radio", { name: /Excel/ }).check();
  await page.getByRole("button", { name: "Make the file" }).click();
  const excel = page.getByRole("row").filter({ hasText: "Excel" }).first();
  const second = page.waitForEvent("download");
  await excel.getByRole("link", { name: "Download" }).click();
  const bytes = readFileSync(await (await second).path());
  expect(bytes.subarray(0, 2).toString()).toBe("PK");

  // The workbook is read back, and says of everybody what is known of them already.
  await page.goto("/exchange");
  await page.locator("input[type=file]").setInputFiles({ name: "contacts.xlsx", mimeType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", buffer: bytes });
  await expect(h1(page)).toHaveText("contacts.xlsx");
  await expect(page.getByLabel("Sheet")).toBeVisible();
  await expect(page.getByRole("cell", { name: "@" }).first()).toBeVisible();
  await look(page, "import-xlsx-en-dark");
  await page.getByRole("button", { name: steps.en.columns }).click();
  await page.getByRole("button", { name: steps.en.check }).click();
  await expect(page.locator(".exchange-tally [data-kind=unchanged] dd")).toHaveText(/^[1-9]/);
  await expect(page.getByText("No changes")).toBeVisible();
});

test("a table is imported, replaced, looked at and restored", async ({ as, look }) => {
  const page = await as("admin", "zh");
  await page.goto("/exchange?tab=tables");
  await page.getByRole("button", { name: "导入数据表" }).first().click();
  await expect(page.getByRole("radio", { name: /规则用的数据表/ })).toBeChecked();
  const bring = async (file: string) => {
    await page.locator("input[type=file]").setInputFiles(file);
    await page.getByRole("button", { name: steps.zh.columns }).click();
    await page.getByRole("button", { name: steps.zh.check }).click();
    await page.getByRole("button", { name: steps.zh.start }).click();
    await page.getByRole("dialog").getByRole("button", { name: steps.zh.start }).click();
    await expect(page.getByText(/的第 \d 版已启用/)).toBeVisible();
    await page.getByRole("link", { name: "查看数据表" }).click();
  };
  await bring(gbk("区域负责人.csv", "区域,负责人,预算\r\n华东,li.wei@sunrise.example,100000\r\n华南,wang.fang@sunrise.example,80000\r\n"));
  await expect(h1(page)).toHaveText("区域负责人");
  await expect(page.getByRole("cell", { name: "华南" })).toBeVisible();
  await page.getByRole("button", { name: "换成新文件" }).click();
  await bring(gbk("新的.csv", "区域,负责人,预算\r\n华东,li.wei@sunrise.example,120000\r\n"));
  await expect(h1(page)).toHaveText("区域负责人");
  await expect(page.getByText("使用中")).toBeVisible();
  await look(page, "table-zh");
  await page.getByRole("link", { name: "第 1 版" }).click();
  await expect(page.getByRole("cell", { name: "华南" })).toBeVisible();
  await page.getByRole("button", { name: "恢复" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "恢复" }).click();
  await expect(page.getByText("由第 1 版恢复")).toBeVisible();
  await page.goto("/exchange?tab=tables");
  await expect(page.getByRole("row").filter({ hasText: "区域负责人" })).toBeVisible();
  await look(page, "tables-zh");
});

test("agents and auditors see tables, and nothing else of it", async ({ as, look }) => {
  for (const role of ["agent", "auditor"] as const) {
    const page = await as(role, "en");
    await page.goto("/exchange");
    await expect(h1(page)).toHaveText("Tables");
    await expect(page.getByRole("tab")).toHaveCount(0);
    await expect(page.getByRole("button", { name: "Import a table" })).toHaveCount(0);
    if (role === "agent") await look(page, "tables-agent-en");
  }
});

test("a phone shows import and export without scrolling sideways", async ({ as, look }) => {
  const page = await as("manager", "zh", { phone: true });
  await page.goto("/exchange");
  await expect(page.getByRole("button", { name: "选择文件" })).toBeVisible();
  await look(page, "exchange-phone");
  await page.locator("input[type=file]").setInputFiles(gbk("手机.csv", people("p")));
  await page.getByRole("button", { name: steps.zh.columns }).click();
  await expect(page.getByLabel("电子邮箱")).toBeVisible();
  await look(page, "import-columns-phone");
  await page.goto("/exchange?tab=export");
  await expect(page.getByRole("button", { name: "生成文件" })).toBeVisible();
  await look(page, "export-phone");
});
