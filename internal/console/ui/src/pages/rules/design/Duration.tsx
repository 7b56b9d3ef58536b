// A span of time as a number and a unit: 3 workdays, 4 business hours, 2 days before.
import { Input, InputNumber, Select, Space } from "antd";
import { useText } from "../texts";

const units = ["m", "h", "d", "weeks", "months", "business hours", "workdays"] as const;
type Unit = (typeof units)[number];
const words: Record<string, Unit> = {
  m: "m", min: "m", minute: "m", minutes: "m", h: "h", hour: "h", hours: "h", d: "d", day: "d", days: "d", week: "weeks", weeks: "weeks", w: "weeks", month: "months", months: "months",
  "business hour": "business hours", "business hours": "business hours", workday: "workdays", workdays: "workdays", 天: "d", 小时: "h", 分钟: "m", 工作日: "workdays", 个工作日: "workdays", 工作小时: "business hours", 周: "weeks",
};

export function parseSpan(text: string): { n: number; unit: Unit } | undefined {
  const m = /^(-?)\s*(\d+)\s*([a-z ]+|\p{Script=Han}+)$/u.exec(text.trim().toLowerCase());
  const unit = m && words[m[3]!.trim()];
  return m && unit ? { n: Number(m[2]) * (m[1] ? -1 : 1), unit } : undefined;
}
export const writeSpan = (n: number, unit: Unit) => (unit.length === 1 ? `${n}${unit}` : `${n} ${Math.abs(n) === 1 ? unit.slice(0, -1) : unit}`);

export function Duration({ value, onChange, label, negative, id, disabled, status, ...rest }: { value: string; onChange: (v: string | undefined) => void; label: string; negative?: boolean; id?: string; disabled?: boolean; status?: "error"; "aria-describedby"?: string }) {
  const t = useText();
  const span = parseSpan(value);
  if (value && !span) return <Input id={id} aria-label={label} disabled={disabled} status={status} value={value} onChange={(e) => onChange(e.target.value || undefined)} style={{ width: 220 }} {...rest} />;
  const unit = span?.unit ?? "d";
  const before = (span?.n ?? 0) < 0;
  const put = (n: number | null, u: Unit, back: boolean) => onChange(n === null ? undefined : writeSpan(Math.abs(n) * (back ? -1 : 1), u));
  return (
    <Space.Compact>
      <InputNumber id={id} aria-label={label} disabled={disabled} status={status} min={0} precision={0} value={span ? Math.abs(span.n) : null} onChange={(n) => put(n, unit, before)} style={{ width: 84 }} {...rest} />
      <Select aria-label={t("unit", { of: label })} disabled={disabled} value={unit} options={units.map((u) => ({ value: u, label: t(`unit.${u}` as "unit.m") }))} onChange={(u) => put(span?.n ?? null, u, before)} style={{ width: 124 }} />
      {negative && (
        <Select
          aria-label={t("beforeAfter")}
          disabled={disabled}
          value={before ? "before" : "after"}
          options={[
            { value: "before", label: t("before") },
            { value: "after", label: t("after") },
          ]}
          onChange={(v) => put(span?.n ?? 0, unit, v === "before")}
          style={{ width: 84 }}
        />
      )}
    </Space.Compact>
  );
}
