// What the list of messages asks the API for, from the filters in the address.
import { api, ok, type Schemas } from "@/api/client";
import type { operations } from "@/api/gen/mail";

export type Summary = Schemas["mail"]["MessageSummary"];
export type Message = Schemas["mail"]["Message"];
export type PersonRef = Schemas["mail"]["PersonRef"];
export type Delivery = Schemas["mail"]["Delivery"];
type Asked = NonNullable<operations["listMessages"]["parameters"]["query"]>;

export const noFilters = {
  q: "",
  direction: "",
  range: "",
  since: "",
  until: "",
  state: "",
  has_attachment: "",
  automated: "",
  from: "",
  to: "",
  person: "",
  domain: "",
  customer: "",
  account: "",
  tag: "",
  attachment: "",
};
export type Filters = typeof noFilters;

/** Filters that are a word each: they have an input of their own. */
export const wordFilters = ["person", "from", "to", "domain", "account", "tag", "attachment"] as const;

const days: Record<string, number> = { "7d": 7, "30d": 30, "90d": 90 };

/** Where a span of time begins, in the browser's zone. */
export function since(range: string, now = new Date()): string | undefined {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  if (range === "today") return midnight.toISOString();
  if (range === "yesterday") return new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1).toISOString();
  const n = days[range];
  return n ? new Date(now.getFullYear(), now.getMonth(), now.getDate() - n).toISOString() : undefined;
}

/** A day of a date input; plus: days later. */
export function day(text: string, plus = 0): string | undefined {
  const m = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!m) return undefined;
  const at = new Date(Number(m[1]), Number(m[2]) - 1, Number(m[3]) + plus);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

const yes = (v: string) => (v === "" ? undefined : v === "true");
const some = (v: string) => v.trim() || undefined;

export function toQuery(f: Filters): Asked {
  return {
    q: some(f.q),
    direction: (f.direction || undefined) as Asked["direction"],
    since: since(f.range) ?? day(f.since),
    until: f.range === "yesterday" ? since("today") : day(f.until, 1),
    state: (f.state || undefined) as Asked["state"],
    has_attachment: yes(f.has_attachment),
    automated: yes(f.automated),
    from: some(f.from),
    to: some(f.to),
    person: some(f.person),
    domain: some(f.domain.replace(/^@/, "")),
    customer: some(f.customer),
    account: some(f.account),
    tag: some(f.tag),
    attachment: some(f.attachment),
  };
}

export const fetchPage = (f: Filters, cursor: string, signal: AbortSignal) =>
  ok(api.GET("/api/v1/messages", { params: { query: { ...toQuery(f), limit: 50, cursor: cursor || undefined } }, signal }));

export const messageQuery = (key: string) => ({
  queryKey: ["messages", "one", key],
  queryFn: ({ signal }: { signal: AbortSignal }) => ok(api.GET("/api/v1/messages/{key}", { params: { path: { key } }, signal })),
  staleTime: 60_000,
});
