// Mail of rules and machines: on its way, done, come back, and whom nothing is sent.
import { Tabs } from "antd";
import { Link } from "react-router";
import { useLiveQueries } from "@/app/live";
import { Head, useFilters } from "@/kit";
import { Bounces } from "./Bounces";
import { MessageList } from "./MessageList";
import { Suppressions } from "./Suppressions";
import { useText } from "./texts";

export default function Outbox() {
  const t = useText();
  const [f, set] = useFilters({ tab: "waiting" });
  useLiveQueries(["outbox"], ["outbox"]);
  return (
    <>
      <Head title={t("title")} actions={<Link to="/holds">{t("toHolds")}</Link>}>
        {t("hint")}
      </Head>
      <Tabs
        activeKey={f.tab}
        onChange={(tab) => set({ tab, ...other })}
        items={[
          { key: "waiting", label: t("tab.waiting"), children: f.tab === "waiting" && <MessageList finished={false} /> },
          { key: "finished", label: t("tab.finished"), children: f.tab === "finished" && <MessageList finished /> },
          { key: "bounces", label: t("tab.bounces"), children: f.tab === "bounces" && <Bounces /> },
          { key: "suppressions", label: t("tab.suppressions"), children: f.tab === "suppressions" && <Suppressions /> },
        ]}
      />
    </>
  );
}

// What filters one list means nothing in another.
const other = { state: "", reason: "", permanent: "" } as Record<string, string>;
