// The API, asked as the pages ask it.
import type { Page } from "@playwright/test";

export interface Answer {
  status: number;
  etag: string;
  body: Record<string, unknown>;
}

export function ask(page: Page, method: string, path: string, body?: unknown, etag?: string): Promise<Answer> {
  return page.evaluate(
    async ([method, path, body, etag]) => {
      const r = await fetch(path!, { method, headers: { "Content-Type": "application/json", ...(etag && { "If-Match": etag }) }, ...(body && { body }) });
      const text = await r.text();
      return { status: r.status, etag: r.headers.get("etag") ?? "", body: text ? (JSON.parse(text) as Record<string, unknown>) : {} };
    },
    [method, path, body === undefined ? "" : JSON.stringify(body), etag ?? ""] as const,
  );
}
