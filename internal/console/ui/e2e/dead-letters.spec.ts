// Dead letters of a real gateway, whose CRM refuses what it is given.
import { crm } from "./crm";
import { firstAdmin, freshGateway } from "./fresh";
import { relay, taker, word } from "./smtp";
import { expect, guard, test } from "./test";

test("what a CRM refuses is a dead letter: retried when the CRM takes it, or discarded with a reason", async ({ browser, faults, expected, look }) => {
  const [target, mailServer] = [await crm(), await taker()];
  target.state.refuses = true;
  const gateway = await freshGateway({ upstream: mailServer.port, more: `targets:\n${target.target("erp")}` });
  const context = await browser.newContext({ baseURL: gateway.url, locale: "zh-CN", viewport: { width: 1440, height: 900 } });
  try {
    guard(context, gateway.url, faults, expected);
    for (const n of [1, 2, 3]) {
      const head = `From: <li.wei@sunrise.example>\nTo: <kunde${n}@kunde.example>\nSubject: ${word(`订单 ${n}`)}\nMessage-ID: <order${n}@sunrise.example>\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\n`;
      await relay(gateway.smtp, "li.wei@sunrise.example", `kunde${n}@kunde.example`, `${head}\n请查收。\n`);
    }
    const page = await context.newPage();
    await firstAdmin(page, gateway.link);
    await page.goto("/queue?state=discarded");
    const rows = page.getByRole("region", { name: "任务队列" }).getByRole("row");
    await expect(rows).toHaveCount(4, { timeout: 20_000 }); // with that of the names
    await expect(rows.nth(1)).toContainText("CRM 拒绝了请求");
    await look(page, "dead-letters-zh");

    target.state.refuses = false;
    await rows.filter({ hasText: "order3@sunrise.example" }).focus(); // which of the three became a job first nobody knows
    await page.keyboard.press("Enter");
    const job = page.getByRole("dialog").filter({ hasText: "order3@sunrise.example" });
    await look(page, "dead-letter-zh");
    await job.getByRole("button", { name: "重试", exact: true }).click();
    await page.getByRole("dialog", { name: "重试", exact: true }).getByRole("button", { name: "重试", exact: true }).click();
    await expect.poll(() => target.posts.length).toBe(1);
    await job.getByRole("link", { name: "查看这封邮件的经过" }).click();
    await expect(page.locator(".outcome")).toContainText("订单 3");
    await page.goBack();
    await expect(job).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(rows).toHaveCount(3);

    // Somebody else discards the same one a moment before: the page says which it could not, and why.
    await page.route("**/api/v1/queue/jobs/discard", async (route) => {
      if (!(route.request().postDataJSON() as { preview: boolean }).preview) await route.fetch();
      await route.continue();
    });
    await rows.nth(1).getByRole("checkbox").check();
    await page.getByRole("button", { name: "放弃", exact: true }).click();
    const one = page.getByRole("dialog", { name: "放弃所选任务" });
    await one.getByLabel("原因").fill("已电话告知");
    await one.getByRole("button", { name: "放弃", exact: true }).click();
    const skipped = page.getByRole("dialog").filter({ hasText: "另有 1 项未能处理：" });
    await expect(skipped.getByRole("listitem")).toHaveText(["该任务已经结束"]);
    await look(page, "dead-letters-skipped-zh");
    await skipped.getByRole("button").click();
    await expect(rows).toHaveCount(2);
    await page.unroute("**/api/v1/queue/jobs/discard");

    await page.getByRole("button", { name: "全部放弃" }).click();
    const ask = page.getByRole("dialog", { name: "全部放弃" });
    await ask.getByLabel("原因").fill("客户已离职");
    await ask.getByRole("button", { name: "放弃", exact: true }).click();
    await expect(rows).toHaveCount(0);
    expect(target.posts).toHaveLength(1);
  } finally {
    await context.close().catch(() => undefined); // it cannot be when the test ran out of time
    await gateway.close();
    mailServer.close();
    target.close();
  }
});
