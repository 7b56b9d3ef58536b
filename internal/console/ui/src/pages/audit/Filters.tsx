import { AutoComplete, DatePicker, Input, Select } from "antd";
import dayjs from "dayjs";
import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { useTyped } from "@/kit";
import type { AuditFilters } from "./rows";
import { useText } from "./texts";

// What people ask of the record, as the API names it: an operation, or the beginning of some.
const asked = [
  "get*", "signIn", "finish*", "setUp", "createPerson", "changePerson", "disablePerson", "removePerson", "createToken", "revokeToken", "changeSettings", "publishRule", "rollbackRule", "holdRule",
  "decide*", "withdrawMessage", "getMessageRaw", "getAttachment", "discard*", "retry*", "export*", "createImport",
];
const vias = ["session", "token", "link", "command", "gateway"] as const;
const ends = ["allowed", "done", "refused", "failed"] as const;
const day = "YYYY-MM-DD";

export function Filters({ filters, set }: { filters: AuditFilters; set: (change: Partial<AuditFilters>) => void }) {
  const t = useText();
  const may = useMay();
  const [person, setPerson] = useTyped(filters.person, (v) => set({ person: v.trim() }));
  const [object, setObject] = useTyped(filters.object, (v) => set({ object: v.trim() }));
  const people = useQuery({
    queryKey: ["people", "choose", person.trim()],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/people", { params: { query: { limit: 10, search: person.trim() || undefined } }, signal })),
    enabled: may("people.read"),
    placeholderData: (before) => before,
  });
  const when = (value: string) => (value ? dayjs(value, day) : null);
  return (
    <>
      <AutoComplete
        value={person}
        onChange={(v: string | undefined) => setPerson(v ?? "")}
        options={people.data?.items.map((p) => ({ value: p.email, label: `${p.name} · ${p.email}` }))}
        style={{ width: 210 }}
        popupMatchSelectWidth={320}
      >
        <Input allowClear placeholder={t("anybody")} aria-label={t("who")} maxLength={254} />
      </AutoComplete>
      <Select aria-label={t("what")} value={filters.action} onChange={(action) => set({ action })} style={{ width: 190 }} options={[{ value: "", label: t("anything") }, ...asked.map((a) => ({ value: a, label: t.any(`asked.${a}`, t.any(`action.${a}`, a)) }))]} />
      <Input allowClear value={object} onChange={(e) => setObject(e.target.value)} placeholder={t("anyObject")} aria-label={t("object")} maxLength={500} style={{ width: 170 }} />
      <Select aria-label={t("outcome")} value={filters.outcome} onChange={(outcome) => set({ outcome })} style={{ width: 130 }} options={[{ value: "", label: t("anyOutcome") }, ...ends.map((o) => ({ value: o, label: t(`outcome.${o}`) }))]} />
      <Select aria-label={t("via")} value={filters.via} onChange={(via) => set({ via })} style={{ width: 130 }} options={[{ value: "", label: t("anyVia") }, ...vias.map((v) => ({ value: v, label: t(`via.${v}`) }))]} />
      <span className="row" style={{ flexWrap: "nowrap" }}>
        <DatePicker aria-label={t("from")} placeholder={t("from")} value={when(filters.from)} onChange={(d) => set({ from: d ? d.format(day) : "" })} maxDate={dayjs()} style={{ width: 130 }} />
        <span aria-hidden>–</span>
        <DatePicker aria-label={t("to")} placeholder={t("to")} value={when(filters.to)} onChange={(d) => set({ to: d ? d.format(day) : "" })} maxDate={dayjs()} style={{ width: 130 }} />
      </span>
    </>
  );
}
