// Work that waits, is tried again or was given up, and what to do about it.
import { DownOutlined, RightOutlined } from "@ant-design/icons";
import { Button, Select } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, Empty, Head, Listing, number, useFilters } from "@/kit";
import { Bulk } from "./Bulk";
import { columns } from "./columns";
import { JobDrawer } from "./JobDrawer";
import { countStates, lines, states, useJobs, whats, type Filter, type Job } from "./jobs";
import { Kinds } from "./Kinds";
import { useText } from "./texts";
import "./queue.css";

export default function Queue() {
  const t = useText();
  const may = useMay();
  const jobs = useJobs();
  const [f, set] = useFilters({ state: "unfinished", what: "", target: "" });
  const [params, setParams] = useSearchParams();
  const [kinds, setKinds] = useState(false);
  useLiveQueries(["queue", "message", "target"], ["queue"]);
  const stats = useQuery({ queryKey: ["queue", "stats"], queryFn: ({ signal }) => ok(api.GET("/api/v1/queue", { signal })), refetchInterval: 15_000 });
  const counts = stats.data && countStates(stats.data.items);
  const targets = [...new Set(stats.data?.items.flatMap((s) => s.target ?? []) ?? [])].sort();
  const filter = { state: f.state, what: f.what || undefined, target: f.target || undefined } as Filter;
  const open = (job?: Job) =>
    setParams((was) => {
      const next = new URLSearchParams(was);
      if (job) next.set("job", String(job.id));
      else next.delete("job");
      return next;
    });
  const write = may("queue.write");
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <div className="stack">
        <nav className="q-states" aria-label={t("states")}>
          {states.map((s) => (
            <button key={s} type="button" aria-pressed={f.state === s} data-bad={(s === "discarded" && (counts?.discarded ?? 0) > 0) || undefined} onClick={() => set({ state: s })}>
              <span>{t(`state.${s}`)}</span>
              <strong>{counts ? number(counts[s], t.lang) : "–"}</strong>
            </button>
          ))}
        </nav>
        <Async query={stats} lines={1}>
          {({ items }) =>
            lines(items).length > 0 && (
              <div>
                <Button type="text" size="small" icon={kinds ? <DownOutlined aria-hidden /> : <RightOutlined aria-hidden />} aria-expanded={kinds} onClick={() => setKinds(!kinds)}>
                  {t("byKind")}
                </Button>
                {kinds && <Kinds lines={lines(items)} />}
              </div>
            )
          }
        </Async>
        <Listing<Job>
          label={t("title")}
          queryKey={["queue", "jobs", filter]}
          fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/queue/jobs", { params: { query: { ...filter, cursor, limit } }, signal }))}
          rowKey={(j) => String(j.id)}
          onOpen={open}
          columns={columns(t)}
          filtered={Boolean(f.what || f.target)}
          empty={<Empty title={t.any(`empty.${f.state}`, t("empty.unfinished"))}>{t("emptyHint")}</Empty>}
          filters={
            <>
              <Select
                aria-label={t("what")}
                value={f.what || undefined}
                placeholder={t("allWhats")}
                allowClear
                onChange={(v?: string) => set({ what: v ?? "" })}
                options={whats.map((w) => ({ value: w, label: t(`what.${w}`) }))}
                style={{ minWidth: 150 }}
              />
              {targets.length > 0 && (
                <Select
                  aria-label={t("target")}
                  value={f.target || undefined}
                  placeholder={t("allTargets")}
                  allowClear
                  onChange={(v?: string) => set({ target: v ?? "" })}
                  options={targets.map((x) => ({ value: x, label: x }))}
                  style={{ minWidth: 150 }}
                />
              )}
              <span className="grow" />
              {write && (counts?.unfinished ?? 0) > 0 && <Bulk selection={{ filter }} jobs={jobs} all retries={f.state === "discarded" || f.state === "retryable"} discards={f.state !== "unfinished"} />}
            </>
          }
          chosen={write ? (rows, clear) => <Bulk selection={{ ids: rows.map((j) => j.id) }} jobs={jobs} done={clear} /> : undefined}
        />
      </div>
      <JobDrawer id={params.get("job")} close={() => open()} />
    </>
  );
}
