// What happens in the gateway, as it happens: one connection for the whole app, with a cursor so that nothing is missed
// between two connections; a WebSocket, or server-sent events where that does not get through.
//
//     useLiveQueries(["outbox"], ["outbox"]);                   events of the topic make queries that begin with the key load again
//     useLive(["run"], (event) => …);                           or do something else
import { useQueryClient, type QueryKey } from "@tanstack/react-query";
import { useEffect, useRef, useSyncExternalStore } from "react";

export const topics = [
  "hello",
  "reset",
  "message",
  "run",
  "rule",
  "approval",
  "review",
  "outbox",
  "queue",
  "target",
  "account",
  "backfill",
  "settings",
] as const;
export type Topic = (typeof topics)[number];

export interface LiveEvent {
  id: string;
  at: string;
  topic: Topic;
  what?: string;
  object?: string;
  target?: string;
  accounts?: string[];
}

export type LiveState = "off" | "waiting" | "on";
type Handler = (event: LiveEvent) => void;

const handlers = new Set<Handler>();
const endings = new Set<() => void>();
const watchers = new Set<() => void>();
let state: LiveState = "off";
let cursor = "";
let wanted = false;
let failures = 0; // since the last event
let socketWorks = true;
let socket: WebSocket | undefined;
let source: EventSource | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

function become(next: LiveState) {
  if (state === next) return;
  state = next;
  for (const f of watchers) f();
}

function take(text: string) {
  let event: LiveEvent;
  try {
    event = JSON.parse(text) as LiveEvent;
  } catch {
    return;
  }
  failures = 0;
  if (event.id) cursor = event.id;
  become("on");
  for (const f of [...handlers]) f(event);
}

const address = (path: string) => `${path}${cursor ? `?after=${encodeURIComponent(cursor)}` : ""}`;

function connect() {
  clearTimeout(timer);
  if (!wanted) return;
  if (socketWorks) {
    let opened = false;
    const s = new WebSocket(new URL(address("/api/v1/live"), location.href.replace(/^http/, "ws")));
    socket = s;
    s.onopen = () => (opened = true);
    s.onmessage = (m) => take(String(m.data));
    s.onclose = (e) => {
      if (socket !== s) return;
      socket = undefined;
      // A proxy that lets no WebSocket through: events by HTTP do the same.
      if (!opened && failures >= 1) socketWorks = false;
      if (e.code === 4401) for (const f of [...endings]) f();
      again(e.code === 4401 ? 5_000 : e.code === 4403 ? 30_000 : undefined);
    };
    return;
  }
  const es = new EventSource(address("/api/v1/live/events"));
  source = es;
  for (const topic of topics) es.addEventListener(topic, (e) => take(String((e as MessageEvent).data)));
  es.onerror = () => {
    if (source !== es) return;
    const opened = es.readyState !== EventSource.CLOSED; // a refused request closes it for good
    es.close();
    source = undefined;
    if (!opened) for (const f of [...endings]) f();
    again();
  };
}

function again(wait?: number) {
  if (!wanted) return;
  become("waiting");
  timer = setTimeout(connect, wait ?? Math.min(1000 * 2 ** failures, 30_000) * (0.75 + Math.random() / 2));
  failures++;
}

/** Calls f when the gateway ended the connection because the session is over, or has other rights now. */
export function onEnded(f: () => void) {
  endings.add(f);
  return () => void endings.delete(f);
}

/** Opens the connection, and returns what closes it. */
export function startLive() {
  wanted = true;
  failures = 0;
  socketWorks = true;
  connect();
  const now = () => state === "waiting" && connect();
  window.addEventListener("online", now);
  return () => {
    window.removeEventListener("online", now);
    wanted = false;
    clearTimeout(timer);
    socket?.close();
    source?.close();
    socket = source = undefined;
    cursor = ""; // the next person's stream is another
    become("off");
  };
}

export const useLiveState = () =>
  useSyncExternalStore(
    (f) => {
      watchers.add(f);
      return () => watchers.delete(f);
    },
    () => state,
  );

/** Calls the handler for each event of the topics, and for reset: events were missed, load everything again. */
export function useLive(of: Topic[], handler: Handler) {
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  const key = of.join();
  useEffect(() => {
    const f = (e: LiveEvent) => {
      if (e.topic === "reset" || key.split(",").includes(e.topic)) latest.current(e);
    };
    handlers.add(f);
    return () => void handlers.delete(f);
  }, [key]);
}

/** Loads queries again when something of the topics happened; at most once a second. */
export function useLiveQueries(of: Topic[], ...keys: QueryKey[]) {
  const client = useQueryClient();
  const due = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(due.current), []);
  useLive(of, () => {
    due.current ??= setTimeout(() => {
      due.current = undefined;
      for (const queryKey of keys) void client.invalidateQueries({ queryKey });
    }, 1000);
  });
}
