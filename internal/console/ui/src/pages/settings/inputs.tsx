// An input for each form of value.
import { DeleteOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Input, InputNumber, Select, Space, Switch } from "antd";
import { useState } from "react";
import { useText } from "./texts";
import type { Kind, Setting } from "./tree";
import { useWords } from "./words";

interface Props {
  id: string;
  name: string; // for inputs that a label cannot point at
  kind: Kind;
  element?: Kind;
  options?: string[];
  value: unknown;
  fallback: unknown;
  change: (value: unknown) => void;
  described?: string;
}

export function SettingInput(p: Props) {
  const words = useWords();
  const { id, kind, value, change, described } = p;
  const common = { id, "aria-describedby": described };
  const t = useText();
  const placeholder = p.fallback === undefined || p.fallback === null || p.fallback === "" || typeof p.fallback === "object" ? undefined : String(p.fallback);
  switch (kind) {
    case "boolean":
      return <Switch {...common} aria-label={p.name} checked={value === true} onChange={change} checkedChildren={t("on")} unCheckedChildren={t("off")} />;
    case "integer":
    case "number":
      return <InputNumber {...common} value={typeof value === "number" ? value : null} precision={kind === "integer" ? 0 : undefined} onChange={(v) => change(v)} placeholder={placeholder} style={{ width: 160 }} />;
    case "duration":
      return <Measured {...p} units={["s", "m", "h", "d"]} />;
    case "bytes":
      return <Measured {...p} units={["KB", "MB", "GB", "KiB", "MiB", "GiB"]} />;
    case "list":
      return (
        <Select
          {...common}
          mode={p.options ? "multiple" : "tags"}
          value={Array.isArray(value) ? value.map(String) : []}
          onChange={(v: string[]) => change(v)}
          options={p.options?.map((o) => ({ value: o, label: words.option(o) }))}
          open={p.options ? undefined : false}
          suffixIcon={p.options ? undefined : null}
          tokenSeparators={[",", ";", "，", "；"]}
          placeholder={t("typeEnter")}
          style={{ width: "100%" }}
        />
      );
    case "map":
      return <Pairs {...p} />;
    default:
      if (p.options?.length) {
        return <Select {...common} value={typeof value === "string" && value ? value : undefined} placeholder={t("notSet")} onChange={(v: string | undefined) => change(v ?? null)} allowClear options={p.options.map((o) => ({ value: o, label: words.option(o) }))} style={{ width: "100%", maxWidth: 320 }} />;
      }
      return <Input {...common} value={typeof value === "string" || typeof value === "number" ? String(value) : ""} onChange={(e) => change(e.target.value)} placeholder={placeholder} maxLength={2000} className={kind === "file" || kind === "folder" ? "mono" : undefined} />;
  }
}

/** A number with a unit; what is none, such as 1h30m, stays a text. */
function Measured({ id, name, value, change, units, described, fallback }: Props & { units: string[] }) {
  const t = useText();
  const text = value === undefined || value === null ? "" : String(value);
  const m = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text);
  const unit = m?.[2] || units[units[0] === "s" ? 0 : 1]!;
  if (text && (!m || (m[2] && !units.includes(m[2])))) return <Input id={id} value={text} onChange={(e) => change(e.target.value)} aria-describedby={described} maxLength={40} style={{ maxWidth: 220 }} />;
  // Bytes without a unit are bytes: 150000000 is 150 MB.
  const plain = m && !m[2] && units[0] === "KB" && Number(m[1]) > 0;
  if (plain && Number(m[1]) % 1e6 !== 0) return <InputNumber id={id} value={Number(m[1])} addonAfter={undefined} suffix="B" onChange={(v) => change(v === null ? null : String(v))} style={{ width: 200 }} />;
  const number = plain ? Number(m[1]) / 1e6 : m ? Number(m[1]) : null;
  const set = (n: number | null, u: string) => change(n === null ? null : n === 0 && units[0] === "KB" ? 0 : `${n}${u}`);
  return (
    <Space.Compact>
      <InputNumber id={id} min={0} value={number} placeholder={fallback ? String(fallback) : undefined} aria-describedby={described} onChange={(n) => set(n, unit)} style={{ width: 120 }} />
      <Select aria-label={t("unitOf", { name })} value={unit} onChange={(u: string) => set(number ?? 0, u)} options={units.map((u) => ({ value: u, label: t.any(`unit.${u}`, u) }))} style={{ width: 110 }} />
    </Space.Compact>
  );
}

/** A map: names, each with a text or a list. */
function Pairs({ id, name, value, element, change }: Props) {
  const t = useText();
  const [rows, setRows] = useState<[string, unknown][]>(() => Object.entries((value ?? {}) as Record<string, unknown>));
  const put = (next: [string, unknown][]) => {
    setRows(next);
    change(Object.fromEntries(next.filter(([k]) => k.trim())));
  };
  return (
    <div className="stack" style={{ gap: 8 }} id={id} role="group" aria-label={name}>
      {rows.map(([k, v], i) => (
        <div key={i} className="row" style={{ flexWrap: "nowrap" }}>
          <Input value={k} aria-label={t("pairName")} placeholder={t("pairName")} onChange={(e) => put(rows.map((r, j) => (j === i ? [e.target.value, r[1]] : r)))} style={{ maxWidth: 160 }} />
          {element === "list" ? (
            <Select mode="tags" open={false} suffixIcon={null} aria-label={t("pairValue")} placeholder={t("typeEnter")} value={Array.isArray(v) ? v.map(String) : []} onChange={(list: string[]) => put(rows.map((r, j) => (j === i ? [r[0], list] : r)))} style={{ flex: 1, minWidth: 0 }} />
          ) : (
            <Input value={String(v ?? "")} aria-label={t("pairValue")} placeholder={t("pairValue")} onChange={(e) => put(rows.map((r, j) => (j === i ? [r[0], e.target.value] : r)))} />
          )}
          <Button type="text" icon={<DeleteOutlined aria-hidden />} aria-label={t("removePair", { name: k })} onClick={() => put(rows.filter((_, j) => j !== i))} />
        </div>
      ))}
      <div>
        <Button size="small" icon={<PlusOutlined aria-hidden />} onClick={() => setRows([...rows, ["", element === "list" ? [] : ""]])}>
          {t("addPair")}
        </Button>
      </div>
    </div>
  );
}

/** A secret is never shown: it can be set, replaced or taken away. */
export function SecretInput({ id, setting, value, change, undo }: { id: string; setting: Setting; value: unknown; change: (v: unknown) => void; undo: () => void }) {
  const t = useText();
  const [open, setOpen] = useState(false);
  if (value === null) return <span>{t("secretWillGo")}</span>;
  if (!open && value === undefined) {
    return (
      <div className="row">
        <span>{setting.set ? t.any(`secretFrom.${setting.from}`, t("secretSet")) : t("secretNotSet")}</span>
        <Button size="small" id={id} onClick={() => setOpen(true)}>
          {setting.set ? t("replace") : t("setSecret")}
        </Button>
        {setting.set && setting.from && (
          <Button size="small" type="link" danger onClick={() => change(null)}>
            {t("takeAway")}
          </Button>
        )}
      </div>
    );
  }
  return (
    <div>
      <Input.Password
        id={id}
        value={typeof value === "string" ? value : ""}
        autoComplete="new-password"
        onChange={(e) => (e.target.value ? change(e.target.value) : undo())}
        placeholder={t("newSecret")}
        maxLength={20000}
      />
      <p className="muted small" style={{ margin: "4px 0 0" }}>
        {t("secretHint")}
      </p>
    </div>
  );
}
