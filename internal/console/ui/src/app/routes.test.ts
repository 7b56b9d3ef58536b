import { expect, test } from "vitest";
import { pages } from "./routes";

const routes = pages.flatMap((p) => p.routes);

test("no two pages have one path, and the navigation leads to pages", () => {
  const paths = routes.map((r) => r.path);
  expect([...new Set(paths)]).toEqual(paths);
  for (const p of pages) {
    if (!p.nav) continue;
    const route = p.routes.find((r) => r.path.replace(/\/:\w+\?$/, "") === p.nav!.to.replace(/[?#].*/, "")); // the last part of a path may be left out
    expect(route, `${p.nav.to} leads to no page of its folder`).toBeDefined();
    expect(route!.permission).toBe(p.nav.permission);
  }
});

test("no page has a path that the gateway answers by itself", () => {
  const taken = ["api", "metrics", "livez", "readyz", "files", "hooks", "approve", "events", "unsubscribe", "assets", "debug", "autodiscover"];
  for (const r of routes) expect(taken).not.toContain(r.path.split("/")[1]);
});

test("each page can be loaded and has a component", async () => {
  for (const r of routes) expect((await r.load()).default, r.path).toBeTypeOf("function");
}, 60_000);
