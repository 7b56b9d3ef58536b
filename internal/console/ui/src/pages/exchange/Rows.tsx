import { Segmented } from "antd";
import { api, ok, type Schemas } from "@/api/client";
import { Empty, Listing, State, useFilters, type Tone } from "@/kit";
import { useImportOptions, type Import } from "./data";
import { fieldOf, reasonOf } from "./reasons";
import { useText } from "./texts";

type Row = Schemas["exchange"]["ImportRow"];
type Outcome = Row["outcome"];
const outcomes: Record<Outcome, Tone> = { added: "good", changed: "info", unchanged: "plain", refused: "bad" };

/** What became of the rows of the last check or import, or would. */
export function Rows({ job }: { job: Import }) {
  const t = useText();
  const [{ outcome }, set] = useFilters({ outcome: "" });
  const options = useImportOptions();
  const label = (field: string) => options.data?.fields.find((f) => f.name === field)?.label[t.lang] ?? field;
  const shown = ["added", "changed", "refused"] as const;
  return (
    <Listing<Row>
      label={t("rows")}
      queryKey={["imports", "rows", job.id, job.state, job.version, outcome]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/imports/{id}/rows", { params: { path: { id: job.id }, query: { outcome: (outcome || undefined) as Outcome | undefined, cursor, limit } }, signal }))}
      rowKey={(r) => `${r.line} ${r.outcome} ${r.column ?? ""}`}
      filters={
        <Segmented value={outcome} aria-label={t("which")} onChange={(v) => set({ outcome: v })} options={[{ value: "", label: t("all") }, ...shown.map((o) => ({ value: o, label: `${t(`count.${o}`)} ${job.counts[o]}`, disabled: !job.counts[o] }))]} />
      }
      filtered={outcome !== ""}
      empty={<Empty title={t("noRows")}>{t("noRowsHint")}</Empty>}
      columns={[
        { key: "line", title: t("line"), render: (r) => r.line, width: 72 },
        { key: "outcome", title: t("outcome"), render: (r) => <State tone={outcomes[r.outcome]}>{t(`outcome.${r.outcome}`)}</State>, width: 110 },
        { key: "key", title: t("who"), render: (r) => r.key ?? <span className="muted">–</span>, card: "first" },
        {
          key: "what",
          title: t("details"),
          render: (r) =>
            r.outcome === "refused" ? (
              <span>
                {r.column && <strong>{label(fieldOf(r.column))}: </strong>}
                {reasonOf(r, t)}
              </span>
            ) : (
              <span className="exchange-changes">
                {r.changes?.map((c, i) => (
                  <span key={i}>
                    <span className="muted">{label(c.field)}</span> {c.before && <del>{c.before}</del>} {c.after && <ins>{c.after}</ins>}
                  </span>
                ))}
              </span>
            ),
        },
      ]}
    />
  );
}
