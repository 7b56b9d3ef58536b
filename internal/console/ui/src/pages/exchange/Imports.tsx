// A new import, and those before.
import { Radio, Select } from "antd";
import { api, ok } from "@/api/client";
import { Async, Empty, Listing, Panel, State, Time, useFilters } from "@/kit";
import { tones, useImportOptions, type Import, type ImportKind, type ImportOptions } from "./data";
import { Drop } from "./Drop";
import { useText } from "./texts";

export function Imports() {
  const t = useText();
  const options = useImportOptions();
  return (
    <div className="stack">
      <Async query={options} lines={6} empty={(o) => !o.kinds.length && <Empty title={t("noKinds")}>{t("noKindsHint")}</Empty>}>
        {(o) => <NewImport options={o} />}
      </Async>
      <Listing<Import>
        label={t("history")}
        queryKey={["imports", "list"]}
        fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/imports", { params: { query: { cursor, limit } }, signal }))}
        rowKey={(i) => i.id}
        to={(i) => `/exchange/imports/${encodeURIComponent(i.id)}`}
        filters={<h2 className="exchange-h2">{t("history")}</h2>}
        empty={<Empty title={t("noHistory")}>{t("noHistoryHint")}</Empty>}
        columns={[
          { key: "file", title: t("file"), render: (i) => i.file, card: "first" },
          { key: "kind", title: t("what"), render: (i) => t(`kind.${i.kind}`) + (i.table ? ` · ${i.table}` : i.target ? ` · ${i.target}` : "") },
          { key: "state", title: t("state"), render: (i) => <State tone={tones[i.state]}>{t(`state.${i.state}`)}</State> },
          { key: "rows", title: t("rows"), render: (i) => <Counts of={i} /> },
          { key: "by", title: t("by"), render: (i) => i.created_by },
          { key: "at", title: t("when"), render: (i) => <Time at={i.created_at} /> },
        ]}
      />
    </div>
  );
}

function Counts({ of: i }: { of: Import }) {
  const t = useText();
  const { added, changed, refused, read } = i.counts;
  if (!read) return <span className="muted">–</span>;
  return (
    <span className="nowrap">
      {[added && t("n.added", { n: added }), changed && t("n.changed", { n: changed }), refused && t("n.refused", { n: refused })].filter(Boolean).join(" · ") || t("n.unchanged", { n: i.counts.unchanged })}
    </span>
  );
}

function NewImport({ options: o }: { options: ImportOptions }) {
  const t = useText();
  const [filters, set] = useFilters({ kind: "", table: "" });
  const kind = (o.kinds as string[]).includes(filters.kind) ? (filters.kind as ImportKind) : o.kinds[0]!;
  const [{ target }, setTarget] = useFilters({ target: o.targets[0] ?? "" });
  return (
    <Panel title={t("newImport")}>
      <div className="stack">
        {o.kinds.length > 1 && (
          <Radio.Group value={kind} onChange={(e) => set({ kind: String(e.target.value), table: "" })} aria-label={t("what")} className="exchange-kinds">
            {o.kinds.map((k) => (
              <Radio key={k} value={k}>
                <strong>{t(`kind.${k}`)}</strong>
                <span className="muted small">{t(`kindHint.${k}`)}</span>
              </Radio>
            ))}
          </Radio.Group>
        )}
        {kind === "contacts_learn" && o.targets.length > 1 && (
          <div className="row">
            <label htmlFor="import-target">{t("target")}</label>
            <Select id="import-target" value={target} onChange={(v) => setTarget({ target: v })} options={o.targets.map((v) => ({ value: v, label: v }))} style={{ minWidth: 180 }} />
          </div>
        )}
        {kind === "table" && filters.table && <p style={{ margin: 0 }}>{t("newVersionOf", { name: filters.table })}</p>}
        <Drop fields={{ kind, table: (kind === "table" && filters.table) || undefined, target: kind === "contacts_learn" ? target : undefined }} options={o} />
      </div>
    </Panel>
  );
}
