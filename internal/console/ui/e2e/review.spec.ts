// The review queue on the real program: people who wrote from mailboxes that say nothing, contacts that are one person, values that differ.
import type { Page } from "@playwright/test";
import { expect, test } from "./test";
import { send, word } from "./smtp";

/** Somebody of ours writes to somebody whom the CRM does not know; private mailboxes wait for review in the demo. */
async function writeTo(name: string, address: string, subject: string) {
  const head = [`From: <li.wei@sunrise.example>`, `To: ${word(name)} <${address}>`, `Subject: ${word(subject)}`, `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`, `Message-ID: <${address.replace("@", ".")}.${Date.now()}@sunrise.example>`];
  await send("li.wei@sunrise.example", [address], [...head, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", Buffer.from(`${name}，您好！`).toString("base64")].join("\r\n"));
}

const person = (page: Page, name: string) => page.locator(".review-list button").filter({ hasText: name });
const detail = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

test("people are decided on by mouse, and it is undone", async ({ as, look }) => {
  const tag = `${Date.now() % 1_000_000}-`;
  for (const n of [1, 2, 3]) await writeTo(`新客${tag}${n}`, `xinke-${tag}${n}@qq.example`, `样品目录 ${tag}${n}`);
  const page = await as("admin", "zh");
  await page.goto("/review");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("待确认");
  await expect(person(page, `新客${tag}3`)).toBeVisible(); // it comes by itself
  await person(page, `新客${tag}1`).click();
  await expect(detail(page, `新客${tag}1`).getByText(`样品目录 ${tag}1`)).toBeVisible();
  await look(page, "review-zh");

  await detail(page, `新客${tag}1`).getByRole("button", { name: "新建联系人" }).click();
  await expect(page.getByText(`已新建联系人：新客${tag}1`)).toBeVisible();
  await expect(person(page, `新客${tag}1`)).toHaveCount(0);

  // Two at once, and back again.
  for (const n of [2, 3]) await page.getByRole("checkbox", { name: `选择 新客${tag}${n}` }).check();
  await expect(page.getByText("已选 2 人")).toBeVisible();
  await page.locator(".review-picked").getByRole("button", { name: "忽略此人" }).click();
  await expect(person(page, `新客${tag}2`)).toHaveCount(0);
  await page.getByRole("button", { name: "撤销" }).click();
  await expect(page.getByText("已撤销")).toBeVisible();

  // What was decided stands under "decided".
  await page.locator(".review-bar").getByText("已处理").click();
  await expect(person(page, `新客${tag}1`)).toBeVisible();
  await expect(page).toHaveURL(/state=decided/);
});

test("people are decided on by keyboard alone", async ({ as, look }) => {
  for (const n of [1, 2]) await writeTo(`Key ${n} Smith`, `key-${n}@outlook.example`, `Catalogue ${n}`);
  const page = await as("admin", "en", { dark: true });
  await page.goto("/review?q=key-");
  for (const n of [1, 2]) await expect(person(page, `Key ${n} Smith`)).toBeVisible();
  const names = page.locator(".review-list strong");
  const current = page.locator(".review-list [aria-current=true] strong");
  const [first, second] = [(await names.nth(0).textContent())!, (await names.nth(1).textContent())!];
  await page.keyboard.press("j");
  await expect(current).toHaveText(second);
  await page.keyboard.press("k");
  await expect(current).toHaveText(first);
  await look(page, "review-en-dark");

  // 3: it is somebody whom the CRM has; Esc closes.
  await page.keyboard.press("3");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText(`Who is ${first} in the CRM?`);
  await dialog.getByRole("textbox").fill("周敏");
  await expect(dialog.getByText("周敏").first()).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();

  await page.keyboard.press("2");
  await expect(page.getByText(`${first} becomes a lead`)).toBeVisible();
  await expect(person(page, first)).toHaveCount(0);
  await page.keyboard.press("6"); // the domain: it asks, and says how many
  await expect(page.getByRole("dialog")).toContainText("Ignore everybody at outlook.example?");
  await page.keyboard.press("Escape");
});

test("an agent sees whom they wrote with, and cannot ignore domains; an auditor sees nothing", async ({ as, look }) => {
  await writeTo("Agent Seen", "seen-by-agent@outlook.example", "Agent's own");
  const page = await as("agent", "zh", { phone: true });
  await page.goto("/review?q=seen-by");
  await person(page, "Agent Seen").click();
  await expect(page.getByRole("button", { name: "新建线索" })).toBeVisible();
  await expect(page.getByRole("button", { name: "忽略域名" })).toHaveCount(0);
  await look(page, "review-person-phone");
  await page.getByRole("button", { name: "返回列表" }).click();
  await look(page, "review-phone");

  const auditor = await as("auditor", "en");
  await auditor.goto("/review");
  await expect(auditor.getByRole("heading", { level: 1 })).not.toHaveText("Review");
});

/** Imports contacts by the API, as the page does. */
async function bring(page: Page, kind: string, text: string) {
  const state = await page.evaluate(
    async ([kind, text]) => {
      const ask = async (path: string, init?: RequestInit) => {
        const r = await fetch(path, init);
        if (!r.ok) throw new Error(`${path}: ${r.status} ${await r.text()}`);
        return (await r.json()) as { id: string; state: string };
      };
      const form = new FormData();
      form.append("kind", kind!);
      form.append("file", new File([text!], "seed.csv", { type: "text/csv" }));
      const { id } = await ask("/api/v1/imports", { method: "POST", body: form });
      let { state } = await ask(`/api/v1/imports/${id}/start`, { method: "POST" });
      while (state === "running") {
        await new Promise((r) => setTimeout(r, 200));
        ({ state } = await ask(`/api/v1/imports/${id}`));
      }
      return state;
    },
    [kind, text],
  );
  expect(state).toBe("done");
}

test("duplicates are merged and taken apart, conflicts decided and opened again", async ({ as, look }) => {
  test.slow(); // the copy of the CRM's contacts follows in steps of ten seconds
  const page = await as("admin", "zh");
  await page.goto("/review?tab=merges");
  const now = Date.now() % 100_000_000;
  const name = `冯建国${now}`;
  const phone = `137${String(now).padStart(8, "0")}`;
  await bring(page, "contacts_create", `姓名,电子邮箱,手机号,公司名称,职务\n${name},feng${now}@lianhe.example,${phone},联合铸造,厂长\n${name},jg${now}@lianhe-casting.example,${phone},联合铸造,\n`);
  const pair = page.locator(".review-pair").filter({ hasText: name });
  await expect(pair).toHaveCount(1, { timeout: 40_000 });
  await expect(pair.locator("[data-differs]").first()).toBeVisible();
  await look(page, "merges-zh");
  await pair.getByRole("radio").nth(1).check(); // the other one stays
  await expect(pair.getByRole("radio").nth(1)).toBeChecked();
  await page.locator("h1").click();
  await page.keyboard.press("m");
  await expect(page.getByText(`已合并为${name}`)).toBeVisible();
  await page.keyboard.press("u");
  await expect(page.getByText("已撤销")).toBeVisible();
  await page.locator(".review-bar").getByText("已合并").click();
  await expect(page.getByRole("listitem").filter({ hasText: name }).getByText("已拆开")).toBeVisible();

  await bring(page, "contacts_learn", `姓名,电子邮箱,手机号,公司名称,职务\n${name},feng${now}@lianhe.example,136${phone.slice(3)},联合铸造,总经理\n`);
  await page.goto("/review?tab=conflicts");
  const rows = page.locator(".review-conflict").filter({ hasText: name });
  await expect(rows).toHaveCount(2, { timeout: 40_000 });
  await look(page, "conflicts-zh");
  await page.getByRole("button", { name: /总经理/ }).click();
  await expect(page.getByText("1 项以另一来源为准，将写入 CRM")).toBeVisible();
  await expect(rows).toHaveCount(1);
  await page.keyboard.press("1");
  await expect(rows).toHaveCount(0);
  await page.keyboard.press("u");
  await expect(rows).toHaveCount(1);
});
