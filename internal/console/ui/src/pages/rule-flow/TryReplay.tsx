// Trying a rule on what happened: which days, which version, against which other; then what would have happened.
import { ExperimentOutlined } from "@ant-design/icons";
import { Alert, Button, DatePicker, Segmented } from "antd";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import dayjs, { type Dayjs } from "dayjs";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Empty, Panel, Problem, Time, useFilters } from "@/kit";
import { VersionSelect } from "./Flow";
import { ReplayShown } from "./ReplayShown";
import { useText } from "./texts";
import { useRule } from "./useRule";

type Replay = Schemas["automation"]["Replay"];
const days = [1, 7, 30, 90];

export default function TryReplay({ id }: { id: string }) {
  const t = useText();
  const may = useMay();
  const [f, set] = useFilters({ replay: "" });
  const list = useQuery({ queryKey: ["replays"], queryFn: ({ signal }) => ok(api.GET("/api/v1/replays", { signal })), enabled: may("rules.write") });
  const own = (list.data?.items ?? []).filter((r) => r.rule === id);
  const shown = f.replay || own[0]?.id || "";
  if (!may("rules.write")) return <Empty title={t("try.notAllowed")}>{t("try.notAllowedHint")}</Empty>;
  return (
    <div className="stack">
      <Panel title={t("try")}>
        <p style={{ marginTop: 0 }} className="muted">
          {t("try.hint")}
        </p>
        <Ask id={id} started={(r) => set({ replay: r.id })} />
      </Panel>
      {own.length > 1 && (
        <div className="row">
          <span className="muted">{t("try.earlier")}</span>
          {own.slice(0, 6).map((r) => (
            <Button key={r.id} size="small" type={r.id === shown ? "primary" : "default"} onClick={() => set({ replay: r.id })}>
              <Name replay={r} />
            </Button>
          ))}
        </div>
      )}
      {shown && <ReplayShown key={shown} id={id} replay={shown} forgotten={() => set({ replay: "" })} />}
    </div>
  );
}

function Name({ replay: r }: { replay: Replay }) {
  const t = useText();
  return (
    <>
      {r.version === "draft" ? t("version.draft") : t("version.n", { v: r.version ?? "" })} · <Time at={r.made_at} plain />
    </>
  );
}

function Ask({ id, started }: { id: string; started: (r: Replay) => void }) {
  const t = useText();
  const client = useQueryClient();
  const rule = useRule(id);
  const [span, setSpan] = useState<number | "own">(7);
  const [range, setRange] = useState<[Dayjs, Dayjs]>([dayjs().subtract(7, "day"), dayjs()]);
  const [version, setVersion] = useState<string>();
  const [diff, setDiff] = useState<string>();
  const draft = rule.data?.draft;
  const of = version ?? (draft ? "draft" : String(rule.data?.version || rule.data?.latest || 1));
  const against = diff ?? (draft && rule.data?.version ? String(rule.data.version) : "");
  const start = useMutation({
    mutationFn: () => {
      const [since, until] = span === "own" ? [range[0].startOf("day"), range[1].endOf("day")] : [dayjs().subtract(span, "day"), dayjs()];
      // The first of a comparison is what counts now, so that "before" and "after" mean what they say.
      const versions = against && against !== of ? { version: against, diff: of } : { version: of };
      return ok(api.POST("/api/v1/rules/{id}/replay", { params: { path: { id } }, body: { since: since.toISOString(), until: until.toISOString(), ...versions } as never }));
    },
    onSuccess: (r) => {
      void client.invalidateQueries({ queryKey: ["replays"] });
      started(r);
    },
  });
  return (
    <form
      className="row"
      style={{ gap: "12px 20px", alignItems: "flex-end" }}
      onSubmit={(e) => {
        e.preventDefault();
        start.mutate();
      }}
    >
      <div>
        <div className="small muted">{t("try.time")}</div>
        <Segmented value={span} onChange={setSpan} aria-label={t("try.time")} options={[...days.map((n) => ({ value: n, label: t("try.days", { n }) })), { value: "own" as const, label: t("try.own") }]} />
      </div>
      {span === "own" && (
        <div>
          <div className="small muted">{t("try.range")}</div>
          <DatePicker.RangePicker value={range} onChange={(v) => v?.[0] && v[1] && setRange([v[0], v[1]])} maxDate={dayjs()} allowClear={false} aria-label={t("try.range")} />
        </div>
      )}
      <div>
        <div className="small muted">{t("try.version")}</div>
        <VersionSelect id={id} value={of} onChange={setVersion} label={t("try.version")} />
      </div>
      <div>
        <div className="small muted">{t("try.against")}</div>
        <VersionSelect id={id} value={against} onChange={setDiff} none={t("try.alone")} label={t("try.against")} />
      </div>
      <Button type="primary" htmlType="submit" icon={<ExperimentOutlined aria-hidden />} loading={start.isPending} disabled={!rule.data}>
        {t("try.go")}
      </Button>
      {against === of && against !== "" && <Alert type="info" showIcon title={t("try.same")} style={{ width: "100%" }} />}
      {start.error && (
        <div style={{ width: "100%" }}>
          <Problem error={start.error} />
        </div>
      )}
    </form>
  );
}
