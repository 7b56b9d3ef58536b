// What the gateway is connected to: CRMs, channels to people, mail providers.
import { Tabs } from "antd";
import { Head, useFilters } from "@/kit";
import { Notifiers } from "./Notifiers";
import { Targets } from "./Targets";
import { useText } from "./texts";
import { Upstreams } from "./Upstreams";
import "./connections.css";

export default function Connections() {
  const t = useText();
  const [{ tab }, set] = useFilters({ tab: "targets" });
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <Tabs
        activeKey={tab}
        onChange={(next) => set({ tab: next })}
        destroyOnHidden
        items={[
          { key: "targets", label: t("targets"), children: <Targets /> },
          { key: "notifiers", label: t("notifiers"), children: <Notifiers /> },
          { key: "upstreams", label: t("upstreams"), children: <Upstreams /> },
        ]}
      />
    </>
  );
}
