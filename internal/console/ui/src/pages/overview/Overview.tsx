// What IT and managers open in the morning: does it work, what flows, what needs a person, how it went.
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, Empty, Head, Loading, Time } from "@/kit";
import { Failures } from "./Failures";
import { Flow } from "./Flow";
import { Machines } from "./Machines";
import { Standing } from "./Standing";
import { Targets } from "./Targets";
import { useText } from "./texts";
import { Worklist } from "./Worklist";
import "./overview.css";

const Trends = lazy(() => import("./Trends"));

export default function Overview() {
  const t = useText();
  const may = useMay();
  const query = useQuery({
    queryKey: ["overview"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/overview", { signal })),
    refetchInterval: 30_000, // figures by the minute move on though nothing happens
  });
  useLiveQueries(["message", "queue", "target", "account", "review", "approval", "outbox", "rule"], ["overview"]);
  return (
    <>
      <Head title={t("title")} actions={query.data && <span className="small muted">{t.rich("asOf", { time: <Time at={query.data.at} show="exact" /> })}</span>} />
      <Async query={query} lines={10}>
        {(o) => (
          <div className="stack">
            <Standing overview={o} />
            <Flow overview={o} />
            <div className="ov-two">
              <Worklist items={o.attention} />
              <div className="stack">
                {may("targets.read") && <Targets targets={o.targets} />}
                <Machines overview={o} />
              </div>
            </div>
            {o.failures.length > 0 && <Failures failures={o.failures} />}
            {o.targets.length === 0 && o.totals.captured === 0 && <Empty title={t("new")}>{t("newHint")}</Empty>}
            <Suspense fallback={<Loading lines={6} />}>
              <Trends targets={o.targets.map((x) => x.name)} />
            </Suspense>
          </div>
        )}
      </Async>
    </>
  );
}
