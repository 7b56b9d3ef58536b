// An API that answers what a test says, for what the real one cannot be made to do: fall silent, end a session, be of any role at will.
import type { Page, Route } from "@playwright/test";
import { expect, test as base, type Lang } from "../test";

export { expect };

const all = [
  "overview.read", "mail.read", "mail.raw", "mail.withdraw", "ledger.read", "contacts.read", "contacts.write", "rules.read", "rules.write", "rules.publish", "rules.hold",
  "approvals.decide", "outbox.read", "outbox.write", "queue.read", "queue.write", "targets.read", "targets.write", "accounts.read", "accounts.write", "audit.read",
  "settings.read", "settings.write", "people.read", "people.write", "tokens.own", "data.import", "data.export", "own",
];

export const nobody = {
  signed_in: false, set_up: true, step: "none", permissions: [] as string[], masked: [], language: "zh",
  sign_in: { password: true, passkey: true, mailbox: true, oidc: [{ name: "corp", label: "公司账户" }] },
};
export const liwei = {
  ...nobody, signed_in: true, step: "done", permissions: all, scope: "all",
  person: { id: "p1", email: "li.wei@sunrise.example", name: "李伟", role: "admin" },
  fresh_until: "2099-01-01T00:00:00Z", expires_at: "2099-01-01T00:00:00Z",
};

/** What the frame asks for on every page: nothing needs a person. */
const frame: Record<string, unknown> = {
  "/api/v1/overview": { attention: [] },
  "/api/v1/approvals": { items: [], open: 0 },
  "/api/v1/holds": { items: [] },
};

export type Session = Omit<typeof nobody, "sign_in"> & Partial<typeof liwei> & { sign_in?: typeof nobody.sign_in; second_factors?: string[] };
type Answer = unknown | ((route: Route) => unknown);

export class Api {
  session: Session = nobody as Session;
  /** Answers by "METHOD /path"; a number is a problem of that status. */
  answers: Record<string, Answer> = {};
  sent: { method: string; path: string; body: unknown }[] = [];

  async serve(page: Page) {
    await page.routeWebSocket(/\/api\/v1\/live/, (ws) => ws.send(JSON.stringify({ id: "1", at: new Date().toISOString(), topic: "hello" })));
    await page.route(/\/api\/v1\//, async (route) => {
      const request = route.request();
      const path = new URL(request.url()).pathname;
      this.sent.push({ method: request.method(), path, body: request.postDataJSON() });
      let answer = this.answers[`${request.method()} ${path}`];
      if (answer === undefined && path === "/api/v1/session") answer = request.method() === "DELETE" ? ((this.session = nobody as Session), null) : this.session;
      if (typeof answer === "function") answer = await (answer as (r: Route) => unknown)(route);
      if (answer === undefined && request.method() === "GET") answer = frame[path];
      if (answer === undefined) answer = 404;
      if (answer === null) return route.fulfill({ status: 204 });
      if (typeof answer === "number") answer = { status: answer, code: { 401: "sign_in", 403: "forbidden", 404: "not_found" }[answer as 401] ?? "internal", detail: "as the test wants it", instance: "r-7" };
      const status = (answer as { status?: unknown }).status;
      if (typeof status === "number") return route.fulfill({ status, contentType: "application/problem+json", body: JSON.stringify(answer) });
      return route.fulfill({ json: answer });
    });
  }
}

interface Fixtures {
  api: Api;
  /** A page of the frame, with an API as above. */
  at: (path: string, options?: { lang?: Lang; dark?: boolean; phone?: boolean; session?: Session }) => Promise<Page>;
}

export const test = base.extend<Fixtures>({
  baseURL: async ({}, use) => use(process.env.HELIOGRAPH_PAGES),
  api: async ({}, use) => use(new Api()),
  at: async ({ api, open }, use) => {
    await use(async (path, { session, ...options } = {}) => {
      if (session) api.session = session;
      const page = await open(options);
      await api.serve(page);
      await page.goto(path);
      return page;
    });
  },
});

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

/** What the own security page shows. */
export const security = {
  "GET /api/v1/me": { id: "p1", email: "li.wei@sunrise.example", name: "李伟", role: "admin", scope: "all", language: "zh", accounts: ["li.wei@sunrise.example", "sales@sunrise.example"], teams: [{ id: "t1", name: "华东销售", manages: true }], has_password: true, second_factors: 1 },
  "GET /api/v1/me/factors": { items: [{ id: "f1", kind: "passkey", name: "Office laptop", created_at: ago(60 * 24 * 3), last_used_at: ago(7) }], recovery_codes_left: 8, required: false },
  "GET /api/v1/me/sessions": {
    items: [
      { id: "s1", with: "password", device: "Chrome, Windows", address: "10.2.0.14", created_at: ago(300), last_used_at: ago(0), expires_at: ago(-600), current: true },
      { id: "s2", with: "mailbox", device: "Safari, iPhone", address: "2001:db8::7", created_at: ago(4000), last_used_at: ago(190), expires_at: ago(-60 * 24 * 5), current: false },
    ],
  },
  "GET /api/v1/tokens": { items: [{ id: "k1", name: "夜间导出", owner: { id: "p1", email: "li.wei@sunrise.example", name: "李伟" }, permissions: ["contacts.read", "data.export"], created_at: ago(9000), expires_at: ago(-60 * 24 * 60), last_used_at: ago(600), state: "active" }] },
};
