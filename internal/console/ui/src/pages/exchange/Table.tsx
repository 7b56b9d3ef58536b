// One table for rules: its rows, and its versions.
import { Button } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "react-router";
import { api, ok, versioned, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Async, ConfirmAction, Empty, Facts, Head, Listing, number, Panel, Problem, State, Time, useFilters, useSave } from "@/kit";
import "./exchange.css";
import { useText } from "./texts";

type Table = Schemas["exchange"]["Table"];

export default function TablePage() {
  const { name = "" } = useParams();
  const query = useQuery({ queryKey: ["tables", "one", name], queryFn: ({ signal }) => versioned(api.GET("/api/v1/tables/{name}", { params: { path: { name } }, signal })) });
  return <Async query={query}>{({ data, etag }) => <Loaded table={data} etag={etag} />}</Async>;
}

function Loaded({ table, etag }: { table: Table; etag: string }) {
  const t = useText();
  const may = useMay();
  const go = useNavigate();
  const client = useQueryClient();
  const [filters, set] = useFilters({ version: "" });
  const asked = Number.parseInt(filters.version, 10);
  const version = table.versions.some((v) => v.version === asked) ? asked : table.version;
  const path = { name: table.name };
  const restore = useSave({
    save: (to: number) => ok(api.POST("/api/v1/tables/{name}/restore", { params: { path, header: { "If-Match": etag } }, body: { version: to } })),
    invalidates: [["tables"]],
    done: () => set({ version: "" }),
  });
  const remove = async () => {
    await ok(api.DELETE("/api/v1/tables/{name}", { params: { path, header: { "If-Match": etag } } }));
    await client.invalidateQueries({ queryKey: ["tables", "list"] });
    await go("/exchange?tab=tables");
  };
  const imported = table.source === "imported";
  return (
    <>
      <Head
        title={table.name}
        back={{ to: "/exchange?tab=tables", title: t("tab.tables") }}
        actions={
          <>
            {may("data.export") && <Button onClick={() => void go(`/exchange?tab=export&list=table&table=${encodeURIComponent(table.name)}`)}>{t("exportTable")}</Button>}
            {imported && may("data.import") && may("rules.write") && (
              <Button type="primary" onClick={() => void go(`/exchange?kind=table&table=${encodeURIComponent(table.name)}`)}>
                {t("replace")}
              </Button>
            )}
            {imported && may("rules.publish") && (
              <ConfirmAction title={t("removeTable")} text={t("removeTableHint", { n: table.versions.length })} danger action={remove}>
                {t("remove")}
              </ConfirmAction>
            )}
          </>
        }
      >
        {t(imported ? "importedTable" : "configTable")}
      </Head>
      <div className="exchange-table-page">
        <div className="stack">
          {table.problem && <Problem error={new Error(table.problem)} />}
          <Rows table={table} version={version} />
        </div>
        <div className="stack">
          <Panel title={t("columns")}>
            <Facts rows={table.columns.map((c) => [c.name, t(`columnKind.${c.kind}`)])} />
          </Panel>
          {imported && (
            <Panel title={t("versions")} flush>
              <ul className="plain-list">
                {table.versions.map((v) => (
                  <li key={v.version} data-shown={v.version === version || undefined} style={{ flexWrap: "wrap" }}>
                    <div className="grow">
                      <div className="row">
                        <Link to={v.version === table.version ? "?" : `?version=${v.version}`} replace aria-current={v.version === version}>
                          {t("versionN", { n: String(v.version) })}
                        </Link>
                        {v.version === table.version && <State tone="good">{t("inUse")}</State>}
                      </div>
                      <div className="small muted">
                        {t("nRows", { n: v.rows })} · {v.restored_from ? t("restoredFrom", { n: String(v.restored_from) }) : v.file} · {v.created_by} · <Time at={v.created_at} />
                      </div>
                    </div>
                    {v.version !== table.version && may("rules.publish") && (
                      <ConfirmAction title={t("restoreTitle", { n: String(v.version) })} text={t("restoreHint", { n: v.rows, name: table.name })} button={{ size: "small" }} action={() => restore.mutateAsync(v.version)}>
                        {t("restore")}
                      </ConfirmAction>
                    )}
                  </li>
                ))}
              </ul>
            </Panel>
          )}
        </div>
      </div>
    </>
  );
}

function Rows({ table, version }: { table: Table; version: number | undefined }) {
  const t = useText();
  const old = version !== undefined && version !== table.version;
  const columns = useQuery({
    queryKey: ["tables", "columns", table.name, version],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/tables/{name}/rows", { params: { path: { name: table.name }, query: { version, limit: 1 } }, signal })),
    enabled: old, // an older version may have had other columns
  });
  const shown = old ? (columns.data?.columns ?? table.columns) : table.columns;
  const right = new Set(["number", "money", "percent"]);
  return (
    <Listing<{ n: number; cells: string[] }>
      label={t("rows")}
      queryKey={["tables", "rows", table.name, version]}
      limit={100}
      fetch={async ({ cursor, limit, signal }) => {
        const page = await ok(api.GET("/api/v1/tables/{name}/rows", { params: { path: { name: table.name }, query: { version, cursor, limit } }, signal }));
        return { items: page.items.map((cells, n) => ({ n, cells })), next: page.next };
      }}
      rowKey={(r) => `${r.n} ${r.cells.join("\u001f")}`}
      filters={
        <h2 className="exchange-h2">
          {t("rows")} {table.rows !== undefined && !old && <span className="muted">{number(table.rows, t.lang)}</span>}
          {old && <State tone="warn">{t("oldVersion", { n: String(version) })}</State>}
        </h2>
      }
      empty={<Empty title={t("noTableRows")} />}
      columns={shown.map((c, i) => ({ key: `${c.name} ${i}`, title: c.name, align: right.has(c.kind) ? ("right" as const) : undefined, render: (r) => r.cells[i] || <span className="muted">–</span> }))}
    />
  );
}
