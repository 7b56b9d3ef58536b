import { expect, liwei, nobody, security, test, type Session } from "./api";

test.use({ expected: /status of (401|403|404|500)|ERR_INTERNET_DISCONNECTED/ });

for (const lang of ["zh", "en"] as const) {
  for (const dark of [false, true]) {
    test(`the frame and a page in it, ${lang}${dark ? ", dark" : ""}`, async ({ at, api, look }) => {
      api.answers = { ...security };
      const options = { lang, dark, session: liwei };
      const page = await at("/me/security", options);
      await expect(page.getByText("Office laptop")).toBeVisible();
      await look(page, `security-${lang}${dark ? "-dark" : ""}`);
      const phone = await at("/me/security", { ...options, phone: true });
      await expect(phone.getByText("Office laptop")).toBeVisible();
      await look(phone, `security-${lang}${dark ? "-dark" : ""}-phone`);
    });
  }
}

test("navigation shows what one may see, and nothing else", async ({ at, api }) => {
  api.answers = { ...security };
  const page = await at("/me/security", { session: { ...liwei, permissions: [] } });
  await expect(page.getByRole("navigation").getByRole("link")).toHaveText(["登录与安全", "API 参考"]);
  await expect(page.getByRole("link", { name: "登录与安全" })).toHaveAttribute("aria-current", "page");
});

test("everything in the frame is reached by keyboard", async ({ at, api, look }) => {
  api.answers = { ...security };
  const page = await at("/me/security", { session: liwei });
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByText("跳到正文")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();

  await page.keyboard.press("Control+k");
  const box = page.getByRole("combobox", { name: "查找邮件、客户、规则、页面" });
  await expect(box).toBeFocused();
  await look(page, "palette-zh");
  await page.keyboard.type("深色");
  await page.keyboard.press("Enter");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");

  await page.keyboard.press("Control+k");
  await box.fill("英语");
  await page.keyboard.press("Escape");
  await expect(box).toBeHidden();
  await page.keyboard.press("Control+k");
  await box.fill("language");
  await page.keyboard.press("Enter");
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign-in and security");
  await page.reload();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign-in and security");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("on a phone the navigation is a drawer that closes where it led to", async ({ at, api, look }) => {
  api.answers = { ...security };
  const page = await at("/nowhere", { session: liwei, phone: true });
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("没有这个页面");
  await page.getByRole("button", { name: "导航" }).click();
  const drawer = page.getByRole("dialog");
  await expect(drawer).toBeVisible();
  await look(page, "drawer-phone");
  await drawer.getByRole("link", { name: "登录与安全" }).click();
  await expect(drawer).toBeHidden();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("登录与安全");
});

test("an address without a page says so", async ({ at, look }) => {
  const page = await at("/gone/away", { session: liwei });
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("没有这个页面");
  await look(page, "not-found");
});

test("a session that ended leads to sign-in and back", async ({ at, api }) => {
  api.answers = { ...security };
  const page = await at("/me/security", { session: liwei });
  await expect(page.getByText("Office laptop")).toBeVisible();
  api.session = nobody as Session;
  api.answers = { "GET /api/v1/me": 401, "GET /api/v1/me/sessions": 401, "GET /api/v1/me/factors": 401, "GET /api/v1/tokens": 401 };
  await page.reload();
  await expect(page).toHaveURL(/\/sign-in\?return=%2Fme%2Fsecurity$/);
});

test("what fails says so where it failed, and can be tried again", async ({ at, api, look }) => {
  api.answers = { ...security, "GET /api/v1/me/sessions": 500 };
  const page = await at("/me/security", { session: liwei });
  const problem = page.getByRole("alert").filter({ hasText: "网关内部出错" });
  await expect(problem).toContainText("r-7", { timeout: 20_000 });
  await expect(page.getByText("Office laptop")).toBeVisible();
  await look(page, "problem-zh");
  api.answers = security;
  await problem.getByRole("button", { name: "重试" }).click();
  await expect(page.getByText("Safari, iPhone")).toBeVisible();
});

test("being offline is said, and over when it is over", async ({ at, api }) => {
  api.answers = { ...security };
  const page = await at("/me/security", { session: liwei });
  await expect(page.getByText("Office laptop")).toBeVisible();
  await page.context().setOffline(true);
  await expect(page.getByText("设备已离线", { exact: false })).toBeVisible();
  await page.context().setOffline(false);
  await expect(page.getByText("设备已离线", { exact: false })).toBeHidden();
});

test("live events ring the bell, and a lost connection goes on where it was", async ({ at, api, open }) => {
  api.answers = { ...security };
  api.session = liwei;
  const asked: string[] = [];
  const page = await open();
  await api.serve(page);
  await page.routeWebSocket(/\/api\/v1\/live/, (ws) => {
    asked.push(new URL(ws.url()).search);
    const event = (id: string, topic: string, what?: string) => ws.send(JSON.stringify({ id, at: new Date().toISOString(), topic, what, object: "salesforce" }));
    if (asked.length === 1) {
      event("7", "hello");
      event("8", "target", "failing");
      setTimeout(() => void ws.close({ code: 1001 }), 200);
    } else {
      event("9", "approval", "open");
    }
  });
  await page.goto("/me/security");
  await expect(page.getByRole("button", { name: "通知，2 条新消息" })).toBeVisible();
  expect(asked).toEqual(["", "?after=8"]);
  await page.getByRole("button", { name: "通知，2 条新消息" }).click();
  await expect(page.getByText("有规则请求审批")).toBeVisible();
  await expect(page.getByText("有连接出现故障")).toBeVisible();
  await expect(page.locator(".live-dot")).toHaveText("实时");
  void at;
});
