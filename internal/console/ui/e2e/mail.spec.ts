// Messages, customers, where is my mail, my mail: on the real program, with the mail of the demo and some of our own.
import type { Page } from "@playwright/test";
import { expect as quick, test, type Lang } from "./test";
import { send, word } from "./smtp";

// Mail takes its way through the gateway, on a machine that may be busy.
const expect = quick.configure({ timeout: 25_000 });

const run = `${Date.now()}-${Math.floor(Math.random() * 1e6)}`;
const h1 = (page: Page) => page.getByRole("heading", { level: 1 });

/** Sends a mail from the agent, and returns its Message-ID and subject. */
async function write(what: string, to = `${what}-${run}@kunde.example`, text = "请查收附件。\n\n> 昨天的问题\n> 第二行\n") {
  const subject = `${what} 交货期确认 ${run}`;
  const id = `${what}-${run}@sunrise.example`;
  await send(
    "li.wei@sunrise.example",
    [to],
    [`From: ${word("李伟")} <li.wei@sunrise.example>`, `To: <${to}>`, `Subject: ${word(subject)}`, `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`, `Message-ID: <${id}>`, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", text].join("\r\n"),
  );
  return { subject, id, to };
}

for (const [role, lang, dark] of [
  ["admin", "zh", false],
  ["manager", "en", true],
  ["agent", "zh", true],
] as ["admin" | "manager" | "agent", Lang, boolean][]) {
  test(`mail is listed, found and read as ${role}, ${lang}`, async ({ as, look }) => {
    const page = await as(role, lang, { dark });
    await page.goto("/messages");
    await expect(h1(page)).toHaveText(lang === "zh" ? "邮件" : "Messages");
    await expect(page.locator(".mail-row").first()).toBeVisible();
    await page.getByRole("searchbox").fill("五轴加工中心 报价");
    await expect(page).toHaveURL(/q=/);
    await expect(page.locator(".mail-row").first()).toContainText("VMC-850");
    await page.locator(".mail-row").first().click();
    await expect(page.locator(".reading-head h2")).toContainText("VMC-850");
    await expect(page.locator(".letter .words").first()).toBeVisible();
    await look(page, `messages-${role}-${lang}${dark ? "-dark" : ""}`);
    expect(await page.evaluate(() => document.documentElement.scrollHeight - innerHeight), "list and pane scroll, the window does not").toBeLessThanOrEqual(0);
    await page.goBack();
    await expect(page.locator(".reading-none")).toBeVisible();
    await expect(page.getByRole("searchbox")).toHaveValue("五轴加工中心 报价");
  });
}

test("the list is walked by keyboard, and filters are chips", async ({ as }) => {
  const page = await as("admin", "en");
  await page.goto("/messages");
  await expect(page.locator(".mail-row").nth(2)).toBeVisible();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await expect(page.locator(".mail-row").nth(1)).toBeFocused();
  await page.keyboard.press("k");
  await expect(page.locator(".mail-row").nth(0)).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator(".mail-row").nth(0)).toHaveAttribute("aria-current", "true");
  await page.keyboard.press("j");
  await expect(page.locator(".mail-row").nth(1)).toHaveAttribute("aria-current", "true");
  await page.keyboard.press("Escape");
  await expect(page.locator(".reading-none")).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox")).toBeFocused();

  await page.getByRole("button", { name: "Direction" }).click();
  await page.getByRole("menuitem", { name: "Received" }).click();
  await expect(page).toHaveURL(/direction=inbound/);
  await page.getByRole("button", { name: "Has a file" }).click();
  await page.getByRole("button", { name: "More", exact: true }).click();
  await expect(page.getByRole("textbox", { name: "Anyone" })).toBeFocused();
  await page.getByLabel("Domain").fill("northwind.example");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/domain=northwind.example/);
  await expect(page.locator(".mail-row").first()).toContainText("Anna Smith");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(page).toHaveURL(/\/messages$/);
});

test("a mail is tagged, marked private and taken back", async ({ as }) => {
  const mail = await write("private");
  const page = await as("agent", "en");
  await page.goto(`/messages?q=${encodeURIComponent(mail.subject)}`);
  await page.locator(".mail-row").first().click();
  await expect(page.locator(".quoted")).not.toHaveAttribute("open");
  await page.locator(".quoted summary").click();
  await expect(page.locator(".quoted")).toContainText("昨天的问题");
  await page.getByRole("button", { name: "Tag" }).click();
  await page.keyboard.type("重要客户");
  await page.keyboard.press("Enter");
  await expect(page.locator(".letter .tags")).toContainText("重要客户");
  await page.reload();
  await expect(page.locator(".letter .tags")).toContainText("重要客户");
  await expect(page.locator(".letter .deliveries")).toContainText("there");

  await page.getByRole("button", { name: "Mark private" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.locator(".plan li")).toContainText("Delete the record in crm");
  await dialog.getByLabel("Reason").fill("my doctor");
  await dialog.getByRole("button", { name: "Mark private" }).click();
  await expect(page.getByText("Taken back from 1 CRM.")).toBeVisible();
  await page.goto("/me/mail?tab=privacy");
  const choice = page.getByRole("listitem").filter({ hasText: mail.to });
  await expect(choice).toBeVisible();
  await choice.getByRole("button").click();
  await expect(choice).toBeHidden();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(choice).toBeVisible();
  await page.goto(`/where?message_id=${encodeURIComponent(mail.id)}`);
  await expect(page.locator(".outcome")).toContainText("taken back");
});

test("customers are listed, found, and tell all mail with them", async ({ as, look }) => {
  const page = await as("manager", "zh");
  await page.goto("/customers");
  await expect(h1(page)).toHaveText("客户");
  await expect(page.locator(".customer-name").first()).toBeVisible();
  await look(page, "customers-zh");
  await page.getByLabel("搜索姓名、邮箱、公司、电话").fill("周敏");
  await expect(page.locator(".customer-name")).toHaveCount(1);
  await page.locator(".customer-name a").click();
  await expect(h1(page)).toContainText("周敏");
  await expect(page.locator(".timeline-mail").first()).toContainText("VMC-850");
  await expect(page.getByText("我们还没有回复", { exact: false })).toBeVisible();
  await look(page, "customer-zh");
  await page.locator(".timeline-mail").first().click();
  await expect(page).toHaveURL(/\/messages\/.*customer=/);
  const phone = await as("agent", "en", { phone: true });
  await phone.goto("/customers");
  await expect(phone.locator(".customer-name").first()).toBeVisible();
  await look(phone, "customers-en-phone");
});

test("the story of a mail is told by Message-ID, address, words and head", async ({ as, look }) => {
  const mail = await write("story");
  const page = await as("admin", "en", { dark: true });
  await page.goto("/where");
  await expect(h1(page)).toHaveText("Where is my mail?");
  await look(page, "where-en-dark");
  const what = page.getByRole("textbox", { name: "The mail" });
  await what.fill(`Received: from x\nFrom: li.wei@sunrise.example\nMessage-ID:\n <${mail.id}>\nSubject: y`);
  await page.getByRole("button", { name: "Find", exact: true }).click();
  await expect(page.locator(".outcome")).toContainText("It is in the CRM");
  await expect(page.locator(".event").first()).toContainText("A mail program handed it to the gateway");
  await expect(page.locator(".events")).toContainText("The mail provider took it");
  await expect(page.locator(".events")).toContainText("No rule of privacy keeps it back");
  await look(page, "story-en-dark");
  await what.fill(mail.to);
  await page.keyboard.press("Enter");
  await expect(page.locator(".where-found")).toHaveText(mail.subject);
  await what.fill(mail.subject);
  await page.keyboard.press("Enter");
  await page.locator(".where-found").first().click();
  await expect(page.locator(".outcome")).toContainText(mail.subject);
});

test("a mail that was never seen has a list of likely causes", async ({ as, look }) => {
  const page = await as("agent", "zh");
  await page.goto(`/where?q=${encodeURIComponent("<nobody@nowhere.example>")}`);
  await expect(page.locator(".outcome")).toContainText("网关没有看到过这封邮件");
  await expect(page.locator(".likely li").first()).toBeVisible();
  await look(page, "unseen-zh");
});

test("an auditor sees stories without subjects, and no mail", async ({ as, look }) => {
  const page = await as("auditor", "en");
  await page.goto("/where?q=li.wei%40sunrise.example");
  await expect(page.locator(".where-found").first()).toHaveText("subject not shown");
  await page.locator(".where-found").first().click();
  await expect(page.locator(".outcome h2")).toBeVisible();
  await look(page, "story-auditor-en");
  await expect(page.getByRole("navigation").getByRole("link", { name: "Messages" })).toHaveCount(0);
  await page.goto("/messages");
  await expect(h1(page)).toHaveText("You may not see this page");
});

test("my mail: pause, choices with a preview, devices", async ({ as, look }) => {
  const page = await as("manager", "zh", { phone: true });
  await page.goto("/me/mail");
  await expect(h1(page)).toHaveText("我的邮件");
  await expect(page.locator(".listing .cards > li").first()).toBeVisible();
  await look(page, "my-mail-zh-phone");
  await page.getByRole("button", { name: "暂停" }).click();
  await page.getByRole("menuitem", { name: "1 小时" }).click();
  await expect(page.getByRole("heading", { name: /^已暂停，到/ })).toBeVisible();
  await page.getByRole("button", { name: "恢复写入" }).click();
  await expect(page.getByRole("heading", { name: "正在写入 CRM" })).toBeVisible();
  await page.getByRole("tab", { name: "我的隐私选择" }).click();
  await page.getByRole("textbox", { name: "内容" }).fill("nonsense");
  await page.getByRole("button", { name: "预览" }).click();
  await expect(page.getByRole("region", { name: "不写入 CRM 的邮件" }).getByRole("alert")).toContainText("写法不对");
  await page.getByRole("textbox", { name: "内容" }).fill("zhang.wei@huaxia-machinery.example");
  await page.getByRole("button", { name: "预览" }).click();
  await expect(page.locator(".my-preview")).toContainText("封中有");
  await look(page, "my-privacy-zh-phone");
  await page.getByRole("tab", { name: "我的设备" }).click();
  await expect(page.locator(".plain-list li").first()).toBeVisible();
  await look(page, "my-devices-zh-phone");
});
test.use({ expected: /status of (422|404)/ });
