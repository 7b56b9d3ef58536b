// Work of the queue, and what is done with it.
import { App } from "antd";
import { createElement } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { said } from "@/api/said";
import type { Tone } from "@/kit";
import { useText } from "./texts";

export type Job = Schemas["operations"]["Job"];
export type Filter = Schemas["operations"]["JobFilter"];
export type Selection = { ids: number[] } | { filter: Filter };
type Done = Schemas["operations"]["JobsDone"];

export const tones: Record<Job["state"], Tone> = {
  available: "info",
  scheduled: "info",
  running: "good",
  retryable: "warn",
  completed: "good",
  discarded: "bad",
  cancelled: "plain",
};

/** The states that one looks at, in their order; unfinished is all of them. */
export const states = ["unfinished", "discarded", "retryable", "running", "available", "scheduled"] as const;
export const whats = ["delivery", "update", "withdrawal", "outbox", "hook", "contacts", "rules", "other"] as const;

/** How many jobs of each state there are, and of all that are not done. */
export function countStates(stats: Schemas["operations"]["QueueStat"][]): Record<(typeof states)[number], number> {
  const out = { unfinished: 0, discarded: 0, retryable: 0, running: 0, available: 0, scheduled: 0 };
  for (const s of stats) {
    if (!(s.state in out)) continue;
    out[s.state as keyof typeof out] += s.count;
    out.unfinished += s.count;
  }
  return out;
}

/** Lines of a table: each sort of work, for each target, with its jobs by state. */
export function lines(stats: Schemas["operations"]["QueueStat"][]) {
  const out = new Map<string, { what: Job["what"]; target?: string; counts: Partial<Record<Job["state"], number>>; blocked: number; oldest?: string }>();
  for (const s of stats) {
    const key = `${whats.indexOf(s.what)} ${s.target ?? ""}`;
    const line = out.get(key) ?? { what: s.what, target: s.target, counts: {}, blocked: 0 };
    line.counts[s.state] = (line.counts[s.state] ?? 0) + s.count;
    line.blocked += s.blocked;
    if (s.count && s.oldest_at && (!line.oldest || s.oldest_at < line.oldest)) line.oldest = s.oldest_at;
    out.set(key, line);
  }
  return [...out.entries()]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([, line]) => line)
    .filter((line) => Object.values(line.counts).some((n) => n > 0));
}

/** Counts what would be done, and does it; says how many it was, and with which it could not be done. */
export function useJobs() {
  const t = useText();
  const client = useQueryClient();
  const { message, modal } = App.useApp();
  const told = (done: Done, key: "retried" | "discarded") => {
    void client.invalidateQueries({ queryKey: ["queue"] });
    void client.invalidateQueries({ queryKey: ["overview"] });
    if (done.skipped.length === 0) return void message.success(t(key, { n: done.done }));
    const reasons = [...new Set(done.skipped.map((s) => said(s.reason, t.lang)))];
    modal.warning({
      title: t(key, { n: done.done }),
      content: createElement("div", null, t("skipped", { n: done.matched - done.done }), createElement("ul", null, ...reasons.slice(0, 5).map((r) => createElement("li", { key: r }, r)))),
    });
  };
  return {
    retry: async (s: Selection) => told(await ok(api.POST("/api/v1/queue/jobs/retry", { body: { ...s, preview: false } })), "retried"),
    discard: async (s: Selection, reason: string) => told(await ok(api.POST("/api/v1/queue/jobs/discard", { body: { ...s, preview: false, reason } })), "discarded"),
    sendTo: async (id: number, target: string, reason: string) => {
      const job = await ok(api.POST("/api/v1/queue/jobs/{id}/send-to", { params: { path: { id } }, body: { target, reason: reason || undefined } }));
      void client.invalidateQueries({ queryKey: ["queue"] });
      void message.success(t("sentTo", { target }));
      return job;
    },
  };
}
