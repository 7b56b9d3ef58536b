// GUARDS: bounds on what the rule may do, in a drawer; each is off, or on with its numbers.
import { Alert, Drawer, Input, InputNumber, Switch } from "antd";
import { Duration } from "./Duration";
import { useEditor, usePlace, useWords, type Parameter } from "./editor";
import { asObj, asText, pointer, set, type Json, type Obj } from "./json";
import { Param, useParamLabel } from "./Params";
import { Problems } from "./problems";
import { Chips } from "./Chips";
import { useText } from "../texts";

const starts: Record<string, Json> = {
  per_recipient: { count: 1, per: "24h" },
  per_thread: { count: 3, per: "24h" },
  per_rule: { count: 200, per: "24h" },
  per_key: { key: "", count: 1, per: "30d" },
  quiet_hours: { from: "20:00", to: "08:00" },
  first_need_approval: 5,
};

export function Guards({ open, close }: { open: boolean; close: () => void }) {
  const t = useText();
  const { vocab } = useEditor();
  return (
    <Drawer open={open} onClose={close} title={t("guards")} size={520} destroyOnHidden>
      <p className="muted" style={{ marginTop: 0 }}>
        {t("guardsHint")}
      </p>
      <div data-at="/guards" className="stack">
        {vocab.guards.filter((p) => p.name in starts).map((p) => (
          <Guard key={p.name} param={p} />
        ))}
        {vocab.guards.filter((p) => !(p.name in starts)).map((p) => (
          <Param key={p.name} param={p} at={["guards", p.name]} of={["guards"]} kind="guards" />
        ))}
      </div>
      <Alert style={{ marginTop: 16 }} type="info" showIcon title={t("optOuts")} />
      <Problems at={["guards"]} deep={false} />
    </Drawer>
  );
}

function Guard({ param }: { param: Parameter }) {
  const t = useText();
  const words = useWords();
  const label = useParamLabel()(param, "guards");
  const { readOnly, change } = useEditor();
  const at = ["guards", param.name];
  const [value, write] = usePlace(at);
  const v = asObj(value);
  const on = value !== undefined && value !== 0;
  const put = (more: Obj) => write({ ...v, ...more });
  const toggle = (next: boolean) =>
    change((r) => {
      const changed = set(r, at, next ? starts[param.name] : undefined);
      return Object.keys(asObj(changed.guards)).length ? changed : set(changed, ["guards"], undefined);
    });
  return (
    <div className="rd-guard" data-at={pointer(at)} role="group" aria-label={label}>
      <div className="row">
        <Switch size="small" checked={on} disabled={readOnly} onChange={toggle} aria-label={label} title={words(param.label)} />
        <strong>{label}</strong>
      </div>
      <div className="rd-hint">{t.any(`guardHint.${param.name}`, "")}</div>
      {on && param.name === "first_need_approval" && <InputNumber aria-label={label} disabled={readOnly} min={1} max={1000} precision={0} value={Number(value)} onChange={(n) => n && write(n)} />}
      {on && param.name === "quiet_hours" && (
        <div className="row">
          <Input type="time" aria-label={t("from")} disabled={readOnly} value={asText(v.from)} onChange={(e) => put({ from: e.target.value })} style={{ width: 120 }} />–
          <Input type="time" aria-label={t("to")} disabled={readOnly} value={asText(v.to)} onChange={(e) => put({ to: e.target.value })} style={{ width: 120 }} />
          <Switch size="small" disabled={readOnly} checked={v.workdays_only === true} onChange={(x) => put({ workdays_only: x || undefined })} aria-label={t("workdaysOnly")} />
          <span>{t("workdaysOnly")}</span>
        </div>
      )}
      {on && "count" in v && (
        <>
          {param.name === "per_key" && <Chips value={asText(v.key)} onChange={(key) => put({ key })} at={[...at, "key"]} label={t("perKey")} />}
          <div className="row">
            {t("atMost")}
            <InputNumber aria-label={t("atMost")} disabled={readOnly} min={1} precision={0} value={Number(v.count ?? 1)} onChange={(n) => n && put({ count: n })} style={{ width: 90 }} />
            {t("mailsPer")}
            <Duration value={asText(v.per)} onChange={(per) => put({ per: per ?? "" })} label={t("mailsPer")} disabled={readOnly} />
          </div>
        </>
      )}
      <Problems at={at} />
    </div>
  );
}
