// A new export, and those that are there.
import { DownloadOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok } from "@/api/client";
import { ConfirmAction, Empty, Listing, number, size, State, Time } from "@/kit";
import { tones, type Export } from "./data";
import { NewExport } from "./NewExport";
import { useText } from "./texts";

export function Exports() {
  const t = useText();
  const client = useQueryClient();
  const [running, setRunning] = useState(false);
  const again = () => client.invalidateQueries({ queryKey: ["exports"] });
  const fetch = async ({ cursor, limit, signal }: { cursor?: string; limit: number; signal: AbortSignal }) => {
    const page = await ok(api.GET("/api/v1/exports", { params: { query: { cursor, limit } }, signal }));
    if (!cursor) setRunning(page.items.some((e) => e.state === "running"));
    return page;
  };
  const detail = (e: Export) => {
    if (e.state === "running") return <span aria-live="polite">{t("exporting", { n: e.rows })}</span>;
    if (e.state === "failed") return t.lang === "zh" ? (e.problem === "it was stopped" ? t("exportStopped") : t("exportFailed")) : e.problem;
    return (
      <>
        {number(e.rows, t.lang)}
        {e.bytes !== undefined && <span className="muted"> · {size(e.bytes, t.lang)}</span>}
        {e.truncated && <div className="small exchange-doubt">{t("truncated")}</div>}
      </>
    );
  };
  const filters = (e: Export) => {
    const f = e.filter ?? {};
    const words = [f.table, f.query && t("quoted", { q: f.query }), f.owner, f.account, f.customer, f.state, f.from && f.from.slice(0, 10), f.to && `– ${f.to.slice(0, 10)}`].filter(Boolean);
    return words.join(" · ");
  };
  return (
    <div className="stack">
      <NewExport made={() => void again()} />
      <Listing<Export>
        label={t("exports")}
        queryKey={["exports"]}
        fetch={fetch}
        refetchInterval={running ? 1000 : undefined}
        rowKey={(e) => e.id}
        filters={<h2 className="exchange-h2">{t("exports")}</h2>}
        empty={<Empty title={t("noExports")}>{t("noExportsHint")}</Empty>}
        columns={[
          {
            key: "what",
            title: t("what"),
            card: "first",
            render: (e) => (
              <>
                {t(`list.${e.kind}`)} <span className="muted small">{e.format === "xlsx" ? "Excel" : "CSV"}</span>
                {filters(e) && <div className="small muted">{filters(e)}</div>}
              </>
            ),
          },
          { key: "state", title: t("state"), render: (e) => <State tone={tones[e.state]}>{t(`export.${e.state}`)}</State> },
          { key: "rows", title: t("rows"), render: detail },
          { key: "at", title: t("when"), render: (e) => <Time at={e.created_at} /> },
          { key: "until", title: t("keptUntil"), render: (e) => (e.state === "done" ? <Time at={e.expires_at} /> : <span className="muted">–</span>) },
          {
            key: "do",
            title: "",
            align: "right",
            card: "plain",
            render: (e) => (
              <span className="row exchange-acts">
                {e.state === "done" && (
                  <Button type="primary" size="small" icon={<DownloadOutlined aria-hidden />} href={`/api/v1/exports/${encodeURIComponent(e.id)}/file`} download={e.file}>
                    {t("download")}
                  </Button>
                )}
                <ConfirmAction
                  title={e.state === "running" ? t("stopExport") : t("removeExport")}
                  text={e.state === "running" ? undefined : t("removeExportHint")}
                  button={{ size: "small" }}
                  action={() => ok(api.DELETE("/api/v1/exports/{id}", { params: { path: { id: e.id } } })).then(again)}
                >
                  {e.state === "running" ? t("cancel") : t("remove")}
                </ConfirmAction>
              </span>
            ),
          },
        ]}
      />
    </div>
  );
}
