// One rule: its state and what can be done about it, and its tabs. The flow, versions, trials and runs are another folder's.
import { Alert, Select, Tabs } from "antd";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, type ComponentType } from "react";
import { useParams } from "react-router";
import { api, versioned } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { Async, Facts, Head, Loading, Time, useFilters, useNarrow } from "@/kit";
import { RuleState, StateActions } from "./state";
import { useText } from "./texts";
import "./rules.css";

const Design = lazy(() => import("./design/Design"));

type Tab = ComponentType<{ id: string }>;
const files = import.meta.glob<Record<"Flow" | "Versions" | "TryReplay" | "Runs", Tab>>("../rule-flow/tabs.tsx");
const load = Object.values(files)[0];
// A component that is itself loaded late may not be what lazy() gives, so it stands in one of ours.
const tab = (name: "Flow" | "Versions" | "TryReplay" | "Runs") =>
  load &&
  lazy(async () => {
    const Inner = (await load())[name];
    return { default: (p: { id: string }) => <Inner {...p} /> };
  });
const others = { flow: tab("Flow"), versions: tab("Versions"), try: tab("TryReplay"), runs: tab("Runs") };

export default function Rule() {
  const t = useText();
  const { id = "" } = useParams();
  const [{ tab: shown }, set] = useFilters({ tab: "design" });
  const query = useQuery({ queryKey: ["rules", id], queryFn: ({ signal }) => versioned(api.GET("/api/v1/rules/{id}", { params: { path: { id } }, signal })), refetchInterval: (q) => (q.state.data?.data.learning || q.state.data?.data.watch_trouble ? 2000 : false) });
  useLiveQueries(["rule"], ["rules", id]);
  const narrow = useNarrow();
  const Other = others[shown as keyof typeof others];
  const at = Other ? shown : "design";
  const tabs = [{ key: "design", label: t("tab.design") }, ...Object.entries(others).flatMap(([key, C]) => (C ? [{ key, label: t(`tab.${key}` as "tab.flow") }] : []))];
  return (
    <Async query={query} lines={10}>
      {(loaded) => (
        <>
          <Head title={loaded.data.name || t("unnamed")} back={{ to: "/rules", title: t("title") }} actions={<StateActions rule={loaded.data} />}>
            {loaded.data.description}
          </Head>
          <div className="rd-facts">
            <Facts
              rows={[
                [t("state"), <RuleState key="s" rule={loaded.data} />],
                [t("owner"), loaded.data.owner],
                [t("lastFired"), loaded.data.last_fired_at && <Time at={loaded.data.last_fired_at} />],
                [t("canary"), loaded.data.canary && t("canaryText", { approved: loaded.data.canary.approved, first: loaded.data.canary.first, open: loaded.data.canary.open })],
              ]}
            />
          </div>
          {loaded.data.watch_trouble ? (
            <Alert type="warning" showIcon title={t("watchTrouble")} description={loaded.data.watch_trouble} style={{ marginBottom: 16 }} />
          ) : (
            loaded.data.learning && <Alert type="info" showIcon title={t("learning")} style={{ marginBottom: 16 }} />
          )}
          {narrow ? (
            // Five tabs do not fit beside each other on a phone.
            <Select aria-label={t("tabs")} value={at} onChange={(key) => set({ tab: key })} options={tabs.map(({ key, label }) => ({ value: key, label }))} size="large" style={{ width: "100%", marginBottom: 16 }} />
          ) : (
            <Tabs activeKey={at} onChange={(key) => set({ tab: key })} items={tabs} />
          )}
          {/* The designer stays while another tab is looked at: what is not saved yet is in it. */}
          <Suspense fallback={<Loading lines={8} />}>
            <div hidden={Boolean(Other)}>
              <Design id={id} loaded={loaded} />
            </div>
            {Other && <Other id={id} />}
          </Suspense>
        </>
      )}
    </Async>
  );
}
