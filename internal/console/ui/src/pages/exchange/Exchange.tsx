// Contacts and tables in, lists out.
import { Tabs } from "antd";
import { useMay } from "@/app/session";
import { Head, useFilters } from "@/kit";
import "./exchange.css";
import { Exports } from "./Exports";
import { Imports } from "./Imports";
import { Tables } from "./Tables";
import { useText } from "./texts";

export default function Exchange() {
  const t = useText();
  const may = useMay();
  const [{ tab }, set] = useFilters({ tab: "" });
  const items = [
    ...(may("data.import") ? [{ key: "import", label: t("tab.import"), children: <Imports /> }] : []),
    ...(may("data.export") ? [{ key: "export", label: t("tab.export"), children: <Exports /> }] : []),
    { key: "tables", label: t("tab.tables"), children: <Tables /> },
  ];
  return (
    <>
      <Head title={items.length > 1 ? t("title") : t("tab.tables")}>{items.length > 1 ? t("hint") : t("tablesHint")}</Head>
      {items.length > 1 ? (
        <Tabs activeKey={items.some((i) => i.key === tab) ? tab : "import"} onChange={(key) => set({ tab: key === "import" ? "" : key })} destroyOnHidden items={items} />
      ) : (
        <Tables />
      )}
    </>
  );
}
