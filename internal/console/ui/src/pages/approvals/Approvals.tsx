// The inbox of decisions: what waits for me, beside it what is asked in full.
import { Segmented } from "antd";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Button } from "antd";
import { Link } from "react-router";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useSession } from "@/app/session";
import { Empty, Head, Loading, Problem, useFilters, useNarrow } from "@/kit";
import { Card } from "./Card";
import { Inbox } from "./Inbox";
import { useText } from "./texts";
import "./approvals.css";

export default function Approvals() {
  const t = useText();
  const narrow = useNarrow();
  const { person, scope } = useSession();
  // Who oversees others sees what they are asked, and does not decide it.
  const oversees = person?.role === "admin" || person?.role === "manager";
  const [f, set] = useFilters({ view: "open", show: "", rule: "" });
  useLiveQueries(["approval"], ["approvals"]);
  const everyone = f.view === "everyone" && oversees;
  const list = useInfiniteQuery({
    queryKey: ["approvals", "list", f.view, f.rule],
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET("/api/v1/approvals", {
          params: { query: { state: f.view === "decided" ? "decided" : everyone ? "all" : "open", everyone, ...(f.rule && { rule: f.rule }), ...(pageParam && { cursor: pageParam }) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next || undefined,
  });
  const items = list.data?.pages.flatMap((p) => p.items) ?? [];
  const shown = f.show || (narrow ? "" : (items[0]?.id ?? ""));
  const at = items.findIndex((a) => a.id === shown);
  const open = (id: string) => set({ show: id });

  // After a decision the next one is shown: what was decided has left the list.
  const next = items[at + 1]?.id ?? items[at - 1]?.id ?? "";
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [shown]);

  const views = ["open", "decided", ...(oversees ? ["everyone"] : [])];
  if (narrow && shown) {
    return (
      <>
        <Link className="back" to={`/approvals${f.view === "open" ? "" : `?view=${f.view}`}`}>
          {t("back")}
        </Link>
        <Card id={shown} decided={() => set({ show: f.view === "open" ? next : shown })} single />
      </>
    );
  }
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <div className="approvals">
        <section className="panel" aria-label={t("list")}>
          <div className="approvals-bar">
            <Segmented value={f.view} onChange={(view) => set({ view, show: "" })} aria-label={t("view")} options={views.map((v) => ({ value: v, label: t.any(`view.${v === "everyone" && scope === "team" ? "team" : v}`) }))} />
          </div>
          {list.data === undefined ? (
            list.error ? (
              <div style={{ padding: 12 }}>
                <Problem error={list.error} again={() => void list.refetch()} />
              </div>
            ) : (
              <Loading lines={6} />
            )
          ) : items.length ? (
            <Inbox items={items} shown={shown} open={open} />
          ) : (
            <Empty title={t.any(`none.${f.view === "everyone" && scope === "team" ? "team" : f.view}`)}>{f.view === "open" ? t("noneHint") : undefined}</Empty>
          )}
          {list.hasNextPage && (
            <div style={{ padding: 12 }}>
              <Button block onClick={() => void list.fetchNextPage()} loading={list.isFetchingNextPage}>
                {t("more")}
              </Button>
            </div>
          )}
        </section>
        {!narrow && (shown ? <Card key={shown} id={shown} decided={() => set({ show: f.view === "open" ? next : shown })} /> : <section className="panel">{list.data && <Empty title={t("nothingShown")}>{t("keys")}</Empty>}</section>)}
      </div>
    </>
  );
}
