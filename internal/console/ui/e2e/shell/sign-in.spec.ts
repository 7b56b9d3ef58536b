import { expect, liwei, nobody, security, test, type Session } from "./api";

test.use({ expected: /status of 401/ });

for (const lang of ["zh", "en"] as const) {
  test(`sign-in looks as it should, ${lang}`, async ({ at, look }) => {
    for (const [as, where] of [[{}, ""], [{ dark: true, phone: true }, "-phone-dark"]] as const) {
      const page = await at("/sign-in", { lang, ...as });
      await expect(page.getByRole("heading", { level: 1 })).toHaveText(lang === "zh" ? "登录" : "Sign in");
      await look(page, `sign-in-${lang}${where}`);
    }
  });
}

test("who is not signed in is asked to, and gets back to where they wanted to go", async ({ at, api }) => {
  api.answers = { ...security };
  const page = await at("/me/security?tab=1");
  await expect(page).toHaveURL(/\/sign-in\?return=%2Fme%2Fsecurity%3Ftab%3D1$/);
  await expect(page.getByRole("link", { name: "公司账户" })).toHaveAttribute("href", "/api/v1/sign-in/oidc/corp?return=%2Fme%2Fsecurity%3Ftab%3D1");

  api.answers["POST /api/v1/session"] = { status: 401, code: "sign_in_refused", detail: "address or password is wrong" };
  await page.getByLabel("邮箱地址").fill(" li.wei@sunrise.example ");
  await page.getByLabel("邮箱密码").fill("wrong");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("地址或密码不正确");

  api.answers["POST /api/v1/session"] = () => (api.session = { ...nobody, step: "second_factor", second_factors: ["totp", "recovery_code"] } as Session);
  await page.getByLabel("邮箱密码").fill("right");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("还需一步");
  expect(api.sent.at(-1)!.body).toEqual({ address: "li.wei@sunrise.example", password: "right", with: "mailbox" });

  api.answers["POST /api/v1/session/totp"] = () => (api.session = liwei);
  await page.getByLabel("验证码").fill("492 039");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/me\/security\?tab=1$/);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("登录与安全");
});

test("a page of another site is nothing to return to", async ({ at, api }) => {
  api.answers = { ...security };
  const page = await at("/sign-in?return=//evil.example/", { session: liwei });
  await expect(page).toHaveURL((url) => url.host === new URL(process.env.HELIOGRAPH_PAGES!).host);
});

test("a gateway without an administrator says where the link is", async ({ at, look }) => {
  const page = await at("/sign-in", { session: { ...nobody, set_up: false } as Session });
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("尚未设置管理员");
  await look(page, "sign-in-no-admin");
});

test("the first administrator is made by the link, which is gone from the address", async ({ at, api, look }) => {
  api.answers = {
    ...security,
    "POST /api/v1/session/setup/check": { kind: "first_admin", expires_at: new Date(Date.now() + 86_400_000).toISOString() },
    "POST /api/v1/session/setup": () => (api.session = liwei),
  };
  const page = await at("/setup#s3cret");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("欢迎使用 Heliograph");
  await expect(page).toHaveURL(/\/setup$/);
  await look(page, "setup");
  await page.getByLabel("姓名").fill("李伟");
  await page.getByLabel("邮箱地址").fill("li.wei@sunrise.example");
  await page.getByLabel("密码", { exact: true }).fill("四个词连在一起就很好记了吧");
  await page.getByLabel("再次输入密码").fill("something else entirely");
  await page.getByRole("button", { name: "设置并登录" }).click();
  await expect(page.getByText("两次输入的密码不一致。")).toBeVisible();
  await page.getByLabel("再次输入密码").fill("四个词连在一起就很好记了吧");
  await page.getByRole("button", { name: "设置并登录" }).click();
  await expect(page).toHaveURL(/\/me\/security$/);
  expect(api.sent.find((s) => s.path === "/api/v1/session/setup")!.body).toMatchObject({ token: "s3cret", name: "李伟", language: "zh" });
});
