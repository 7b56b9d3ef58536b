import { TableOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useNavigate } from "react-router";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { Empty, Listing, number, State, Time } from "@/kit";
import type { TableSummary } from "./data";
import { useText } from "./texts";

/** Tables that rules and reports look things up in. */
export function Tables() {
  const t = useText();
  const may = useMay();
  const go = useNavigate();
  const add = may("data.import") && may("rules.write") && (
    <Button icon={<TableOutlined aria-hidden />} onClick={() => void go("/exchange?kind=table")}>
      {t("addTable")}
    </Button>
  );
  return (
    <Listing<TableSummary>
      label={t("tab.tables")}
      queryKey={["tables", "list"]}
      fetch={({ signal }) => ok(api.GET("/api/v1/tables", { signal }))}
      rowKey={(x) => x.name}
      to={(x) => `/exchange/tables/${encodeURIComponent(x.name)}`}
      filters={
        <>
          <span className="muted grow">{t("tablesHint")}</span>
          {add}
        </>
      }
      empty={
        <Empty title={t("noTables")} action={add}>
          {t("noTablesHint")}
        </Empty>
      }
      columns={[
        { key: "name", title: t("tableName"), render: (x) => <strong>{x.name}</strong>, card: "first" },
        { key: "columns", title: t("columns"), render: (x) => <span className="small">{x.columns.map((c) => c.name).join(t.lang === "zh" ? "、" : ", ")}</span> },
        { key: "rows", title: t("rows"), align: "right", render: (x) => (x.problem ? <State tone="bad">{t("unreadable")}</State> : x.rows !== undefined && number(x.rows, t.lang)) },
        { key: "source", title: t("source"), render: (x) => t(`source.${x.source}`) },
        { key: "version", title: t("version"), render: (x) => x.version ?? <span className="muted">–</span> },
        { key: "at", title: t("changed"), render: (x) => <Time at={x.changed_at} /> },
      ]}
    />
  );
}
