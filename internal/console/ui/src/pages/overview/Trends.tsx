// How it went: a chart per figure, over a range of time, of all or of one target or account.
import { Segmented, Select } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { useFilters } from "@/kit";
import { useText } from "./texts";
import { Trend } from "./Trend";
import { ranges, type Range } from "./trend";

export default function Trends({ targets }: { targets: string[] }) {
  const t = useText();
  const may = useMay();
  const [f, set] = useFilters({ range: "24h", target: "", account: "" });
  const range = (f.range in ranges ? f.range : "24h") as Range;
  const only = { range, target: f.target || undefined, account: f.account || undefined };
  // Of an account only what is captured is counted, of a target only what goes there.
  return (
    <section aria-label={t("trends")} className="stack">
      <div className="row" style={{ marginTop: 8 }}>
        <h2 style={{ fontSize: 17, marginRight: 8 }}>{t("trends")}</h2>
        <Segmented aria-label={t("range")} value={range} onChange={(r) => set({ range: r })} options={(Object.keys(ranges) as Range[]).map((r) => ({ value: r, label: t(`range.${r}`) }))} />
        {targets.length > 1 && (
          <Select
            aria-label={t("ofTarget")}
            value={f.target || undefined}
            placeholder={t("allTargets")}
            allowClear
            onChange={(v?: string) => set({ target: v ?? "", account: "" })}
            options={targets.map((x) => ({ value: x, label: x }))}
            style={{ minWidth: 150 }}
          />
        )}
        {may("accounts.read") && <AccountChoice value={f.account} choose={(account) => set({ account, target: "" })} />}
      </div>
      <div className="ov-trends">
        {!f.target && <Trend kind="captured" {...only} />}
        {!f.account && <Trend kind="mirrored" {...only} />}
        {!f.account && <Trend kind="lag" {...only} />}
        {!f.account && <Trend kind="failed" {...only} />}
        {!f.target && <Trend kind="excluded" {...only} />}
        {!f.target && !f.account && <Trend kind="automail" {...only} />}
        {!f.target && !f.account && <Trend kind="rules" {...only} />}
      </div>
    </section>
  );
}

/** Finds an account by what is typed. */
function AccountChoice({ value, choose }: { value: string; choose: (account: string) => void }) {
  const t = useText();
  const [q, setQ] = useState("");
  const [open, setOpen] = useState(false);
  const { data, isFetching } = useQuery({
    queryKey: ["accounts", "choice", q],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/accounts", { params: { query: { q: q || undefined, limit: 20 } }, signal })),
    enabled: open,
    placeholderData: (before) => before,
  });
  return (
    <Select
      aria-label={t("ofAccount")}
      value={value || undefined}
      placeholder={t("allAccounts")}
      allowClear
      showSearch={{ filterOption: false, onSearch: setQ }}
      loading={isFetching}
      onOpenChange={setOpen}
      onChange={(v?: string) => choose(v ?? "")}
      options={data?.items.map((a) => ({ value: a.address, label: a.name ? `${a.name} · ${a.address}` : a.address }))}
      notFoundContent={isFetching ? t("searching") : undefined}
      popupMatchSelectWidth={320}
      style={{ minWidth: 200 }}
    />
  );
}
