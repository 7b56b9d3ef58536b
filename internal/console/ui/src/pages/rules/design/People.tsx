// Who gets it: addresses that are typed, fields that hold one, roles of the company.
import { Select } from "antd";
import { useMemo } from "react";
import { useSession } from "@/app/session";
import { useEditor } from "./editor";
import { useKnown } from "./facts";
import { texts, type Json, type Path } from "./json";
import { field, parse } from "./template";
import { useDescribe } from "./useDescribe";
import { useText } from "../texts";

export function People({ value, onChange, at, label, one, id, disabled, status, ...rest }: { value: Json | undefined; onChange: (v: Json | undefined) => void; at: Path; label: string; one: boolean; id?: string; disabled?: boolean; status?: "error"; "aria-describedby"?: string }) {
  const t = useText();
  const { vocab } = useEditor();
  const known = useKnown(at);
  const describe = useDescribe();
  const { person } = useSession();
  const options = useMemo(() => {
    const fields = known.filter((k) => k.type === "address" || (k.type === "list" && (k.of === "address" || /address|mail|邮箱/i.test(k.path + k.label))) || /mail|address|owner|邮箱|负责人/i.test(k.path.split(".").at(-1)! + k.label));
    const ranked = [...fields].filter((k) => !/\.domain$|\.name$|^mail\.(key|entry|mailbox|message_id)/.test(k.path)).sort((a, b) => Number(b.type === "address") - Number(a.type === "address"));
    const colleagues = [...new Set([person?.email ?? "", ...vocab.senders.map((s) => s.name)].filter(Boolean))];
    return [
      { label: t("peopleFields"), options: ranked.map((k) => ({ value: field(k.path, k.type === "list" ? "first" : undefined), label: `${k.type === "list" ? t("firstOf") : ""}${k.groupLabel} · ${k.label}` })) },
      { label: t("peopleRoles"), options: vocab.roles.map((r) => ({ value: `role:${r.name}`, label: t("role", { name: r.name, n: r.members.length }) })) },
      { label: t("peopleColleagues"), options: colleagues.map((c) => ({ value: c, label: c })) },
    ].filter((g) => g.options.length);
  }, [known, vocab, person, t]);
  const labels = useMemo(() => new Map(options.flatMap((g) => g.options.map((o) => [o.value, o.label] as const))), [options]);
  const show = (v: string) => labels.get(v) ?? parse(v).map((p) => (p.kind === "text" ? p.text : describe(p).text)).join("");
  const pick = (v: string[]) => onChange(!v.length ? undefined : one && v.length === 1 ? v[0] : v);
  return (
    <Select
      id={id}
      mode="tags"
      aria-label={label}
      disabled={disabled}
      status={status}
      tokenSeparators={[",", "，", ";", "；"]}
      placeholder={t("peopleHint")}
      optionFilterProp="label"
      value={texts(value)}
      onChange={pick}
      options={options}
      labelRender={({ value: v }) => <span className={parse(String(v)).some((p) => p.kind !== "text") ? "rd-tagchip" : undefined}>{show(String(v))}</span>}
      style={{ width: "100%" }}
      {...rest}
    />
  );
}
