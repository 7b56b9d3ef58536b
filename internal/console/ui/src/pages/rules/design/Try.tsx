// Trying the rule as it stands here: on a mail of the past, or on something made up. Nothing is sent.
import { ExperimentOutlined } from "@ant-design/icons";
import { Alert, Button, Drawer, Input, Segmented, Select } from "antd";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Loading, Problem } from "@/kit";
import { Effects } from "./Effects";
import { useEditor, useWords } from "./editor";
import { Explanation } from "./Explanation";
import { fieldLabel, typeOf } from "./facts";
import { asObj, asText, texts, type Json, type Obj } from "./json";
import { MessagePicker } from "./MessagePicker";
import { useText } from "../texts";

type Body = Schemas["automation"]["TryRequest"];
type Tried = Schemas["automation"]["Tried"];

export function Try({ open, close }: { open: boolean; close: () => void }) {
  const t = useText();
  const may = useMay();
  const { rule } = useEditor();
  const trigger = asText(asObj(rule.trigger).type);
  const aboutMail = trigger === "mail" || trigger === "absence";
  const [way, setWay] = useState<"past" | "made">(aboutMail && may("mail.read") ? "past" : "made");
  const [message, setMessage] = useState("");
  const [made, setMade] = useState<Obj>({});
  const [approve, setApprove] = useState<"approved" | "refused" | "expired">("approved");
  const run = useMutation({ mutationFn: (body: Body) => ok(api.POST("/api/v1/rules/try", { body })) });
  const past = way === "past" && aboutMail;
  const asks = JSON.stringify(rule).includes('"approve"');
  const go = () => run.mutate({ rule: rule as NonNullable<Body["rule"]>, answers: { approve }, ...(past ? { message_id: message } : madeUp(trigger, rule, made)) });
  return (
    <Drawer open={open} onClose={close} title={t("try")} size={680} className="rd-try">
      <p className="muted" style={{ marginTop: 0 }}>
        {t("tryHint")}
      </p>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          go();
        }}
      >
        {aboutMail && may("mail.read") && (
          <Segmented
            aria-label={t("tryWith")}
            value={way}
            onChange={(v) => setWay(v as "past" | "made")}
            options={[
              { value: "past", label: t("tryPast") },
              { value: "made", label: t("tryMade") },
            ]}
          />
        )}
        {past ? <MessagePicker value={message} onChange={setMessage} label={t("tryPast")} /> : <MadeUp trigger={trigger} value={made} onChange={setMade} />}
        {asks && (
          <div className="row">
            <span>{t("tryApprove")}</span>
            <Select aria-label={t("tryApprove")} value={approve} onChange={(v) => setApprove(v)} options={(["approved", "refused", "expired"] as const).map((v) => ({ value: v, label: t(`approve.${v}`) }))} popupMatchSelectWidth={false} />
          </div>
        )}
        <Button type="primary" htmlType="submit" icon={<ExperimentOutlined aria-hidden />} loading={run.isPending} disabled={past && !message}>
          {t("tryGo")}
        </Button>
      </form>
      {run.error && <Problem error={run.error} style={{ marginTop: 16 }} />}
      {run.isPending && !run.data && <Loading />}
      {run.data && <Result tried={run.data} />}
    </Drawer>
  );
}

function Result({ tried }: { tried: Tried }) {
  const t = useText();
  const words = useWords();
  const v = tried.verdict;
  const tone = v.result === "fires" ? "success" : v.result === "error" ? "error" : "warning";
  return (
    <div className="rd-result" role="status">
      <Alert type={tone} showIcon title={t.any(`verdict.${v.result}`, v.result)} description={words(v.text) || words(tried.note) || undefined} />
      {v.explanation && (
        <section>
          <h3>{t("why")}</h3>
          <Explanation of={v.explanation} />
        </section>
      )}
      {tried.runs?.map((r, i) => (
        <section key={i}>
          <h3>{t("wouldHappen")}</h3>
          <Effects run={r} />
        </section>
      ))}
    </div>
  );
}

function MadeUp({ trigger, value, onChange }: { trigger: string; value: Obj; onChange: (v: Obj) => void }) {
  const t = useText();
  const { rule, fields } = useEditor();
  const tr = asObj(rule.trigger);
  const put = (k: string, v: Json) => onChange({ ...value, [k]: v });
  if (trigger === "mail" || trigger === "absence") {
    return (
      <div className="rd-made">
        <Input aria-label={t("madeFrom")} placeholder={t("madeFrom")} value={asText(value.from)} onChange={(e) => put("from", e.target.value)} />
        <Input aria-label={t("param.subject")} placeholder={t("param.subject")} value={asText(value.subject)} onChange={(e) => put("subject", e.target.value)} />
        <Input.TextArea aria-label={t("param.text")} placeholder={t("param.text")} autoSize={{ minRows: 3, maxRows: 10 }} value={asText(value.text)} onChange={(e) => put("text", e.target.value)} />
      </div>
    );
  }
  if (trigger === "record" || trigger === "deadline") {
    const list = (fields(asText(tr.target), asText(tr.object)) ?? texts(tr.fields).map((name) => ({ name }))).filter((f) => typeOf(f) !== "object");
    const changed = texts(tr.fields)[0];
    return (
      <div className="rd-made grid">
        {trigger === "record" && changed && <Input aria-label={t("madeBefore")} addonBefore={t("madeBefore")} value={asText(value[`was ${changed}`])} onChange={(e) => put(`was ${changed}`, e.target.value)} />}
        {list.slice(0, 14).map((f) => (
          <Input key={f.name} aria-label={fieldLabel(f, t.lang)} addonBefore={fieldLabel(f, t.lang)} value={asText(value[f.name])} placeholder={f.name === changed ? texts(tr.to)[0] : undefined} onChange={(e) => put(f.name, e.target.value)} />
        ))}
      </div>
    );
  }
  return <p className="rd-hint">{t("madeNothing")}</p>;
}

/** The event and the facts as tests inside rules have them. */
function madeUp(trigger: string, rule: Obj, v: Obj): Pick<Body, "event" | "facts"> {
  const tr = asObj(rule.trigger);
  if (trigger === "mail" || trigger === "absence") return { event: { mail: { from: asText(v.from) || "customer@example.com", subject: asText(v.subject), text: asText(v.text) } } };
  if (trigger === "record" || trigger === "deadline") {
    const record: Record<string, unknown> = { _id: "1" };
    for (const [k, x] of Object.entries(v)) if (!k.startsWith("was ") && x !== "") record[k] = /^-?(0|[1-9]\d*)(\.\d+)?$/.test(asText(x)) ? Number(x) : x;
    if (trigger === "deadline") return { event: {}, facts: { record } };
    const changed: Record<string, unknown> = {};
    for (const f of texts(tr.fields)) {
      record[f] ??= texts(tr.to)[0] ?? "";
      changed[f] = { old: asText(v[`was ${f}`]) || texts(tr.from)[0] || null, new: record[f] };
    }
    return { event: { change: { kind: texts(tr.on)[0] ?? "changed", fields: changed } }, facts: { record } };
  }
  return { event: {} };
}

