// All mails of a conversation, the oldest first: one is open, the others are a line each until they are opened, too.
import { Button } from "antd";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { Loading, Problem, Time } from "@/kit";
import { Letter } from "./Letter";
import { Between } from "./People";
import type { Summary } from "./query";
import { useText } from "./texts";

export function useThread(id: string, enabled = true) {
  useLiveQueries(["message"], ["threads", id]);
  return useInfiniteQuery({
    queryKey: ["threads", id],
    queryFn: ({ pageParam, signal }) => ok(api.GET("/api/v1/threads/{id}", { params: { path: { id }, query: { limit: 100, cursor: pageParam || undefined } }, signal })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next || undefined,
    enabled,
  });
}

/** focus: the mail that is open at first; without it, the last. */
export function Conversation({ thread, focus }: { thread: string; focus?: string }) {
  const t = useText();
  const query = useThread(thread);
  const items = query.data?.pages.flatMap((p) => p.items) ?? [];
  const first = focus ?? items.at(-1)?.key;
  const [changed, setChanged] = useState<Record<string, boolean>>({});
  const isOpen = (key: string) => changed[key] ?? key === first;
  if (query.data === undefined) return focus ? <Letter messageKey={focus} /> : query.error ? <Problem error={query.error} again={() => void query.refetch()} /> : <Loading lines={7} />;
  return (
    <div className="conversation">
      {items.map((m) =>
        isOpen(m.key) ? (
          <Shown key={m.key} scroll={m.key === focus && items[0]?.key !== focus}>
            <Letter messageKey={m.key} fold={items.length > 1 ? () => setChanged({ ...changed, [m.key]: false }) : undefined} />
          </Shown>
        ) : (
          <Line key={m.key} m={m} open={() => setChanged({ ...changed, [m.key]: true })} />
        ),
      )}
      {query.hasNextPage && (
        <Button onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
          {t("moreMails")}
        </Button>
      )}
      {focus && !items.some((m) => m.key === focus) && <Letter messageKey={focus} />}
    </div>
  );
}

/** Brings the mail that was asked for into view, below those that came before it. */
function Shown({ scroll, children }: { scroll: boolean; children: React.ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (scroll) box.current?.scrollIntoView({ block: "nearest" });
  }, [scroll]);
  return <div ref={box}>{children}</div>;
}

function Line({ m, open }: { m: Summary; open: () => void }) {
  return (
    <button type="button" className="line" onClick={open} aria-expanded={false}>
      <span className="line-who cut">
        <Between people={m.people} direction={m.direction} />
      </span>
      <span className="line-words cut muted">
        <bdi>{m.preview}</bdi>
      </span>
      <span className="muted small">
        <Time at={m.sent_at} plain />
      </span>
    </button>
  );
}
