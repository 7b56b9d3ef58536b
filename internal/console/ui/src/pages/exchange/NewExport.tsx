import { AutoComplete, Button, DatePicker, Form, Input, Radio, Select } from "antd";
import type { Dayjs } from "dayjs";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { ApiForm, Panel, useFilters } from "@/kit";
import { useImportOptions, useTables } from "./data";
import { useText } from "./texts";

type Kind = Schemas["exchange"]["ExportKind"];
type Filter = "query" | "owner" | "account" | "customer" | "state" | "rule" | "span" | "table";

const lists: { kind: Kind; permission: string; filters: Filter[] }[] = [
  { kind: "contacts", permission: "contacts.read", filters: ["query", "owner"] },
  { kind: "companies", permission: "contacts.read", filters: ["query", "owner"] },
  { kind: "deals", permission: "contacts.read", filters: ["query", "owner", "state"] },
  { kind: "tickets", permission: "contacts.read", filters: ["query", "owner", "state"] },
  { kind: "messages", permission: "mail.read", filters: ["query", "account", "customer", "span"] },
  { kind: "ledger", permission: "ledger.read", filters: ["account", "state", "span"] },
  { kind: "runs", permission: "rules.read", filters: ["rule", "state", "span"] },
  { kind: "table", permission: "rules.read", filters: ["table"] },
];

// The states that lists have; the stages of deals are the company's own.
const states: Partial<Record<Kind, string[]>> = {
  tickets: ["open", "pending", "solved", "closed"],
  ledger: ["captured", "excluded", "pending", "mirrored", "failed", "refused", "withdrawn"],
  runs: ["running", "waiting", "done", "failed", "cancelled"],
};

interface Values {
  kind: Kind;
  format: "csv" | "xlsx";
  span?: [Dayjs | null, Dayjs | null] | null;
  filter?: Partial<Record<"query" | "owner" | "account" | "customer" | "state" | "rule" | "table", string>>;
}

/** Says what is written to a file. */
export function NewExport({ made }: { made: () => void }) {
  const t = useText();
  const may = useMay();
  const [{ list, table }] = useFilters({ list: "", table: "" });
  const tables = useTables();
  const options = useImportOptions();
  const builtin = options.data?.kinds.includes("contacts_create") ?? true;
  const accounts = useQuery({
    queryKey: ["accounts", "names"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/accounts", { params: { query: { limit: 200 } }, signal })),
    enabled: may("accounts.read"),
  });
  const addresses = accounts.data?.items.map((a) => ({ value: a.address })) ?? [];
  const own = lists.filter((l) => may(l.permission) && (builtin || l.filters[1] !== "owner") && (l.kind !== "table" || tables.data?.items.length));
  const first = own.some((l) => l.kind === list) ? (list as Kind) : (own[0]?.kind ?? "runs");
  const [form] = Form.useForm<Values>();
  const [kind, setKind] = useState<Kind>(first);
  const filters = lists.find((l) => l.kind === kind)!.filters;

  const submit = async ({ kind, format, span, filter }: Values) => {
    const given = Object.fromEntries(Object.entries(filter ?? {}).flatMap(([k, v]) => (filters.includes(k as Filter) && v?.trim() ? [[k, v.trim()]] : [])));
    const from = filters.includes("span") ? span?.[0]?.startOf("day").toISOString() : undefined;
    const to = filters.includes("span") ? span?.[1]?.startOf("day").add(1, "day").toISOString() : undefined;
    await ok(api.POST("/api/v1/exports", { body: { kind, format, lang: t.lang, filter: { ...given, ...(from && { from }), ...(to && { to }) } } }));
    made();
  };
  const field = (name: Filter, input: ReactNode, required = false) =>
    filters.includes(name) && (
      <Form.Item name={name === "span" ? "span" : ["filter", name]} label={name === "state" && kind === "deals" ? t("stage") : t(`filter.${name}`)} rules={required ? [{ required: true, message: t("chooseTable") }] : undefined}>
        {input}
      </Form.Item>
    );
  const mail = <AutoComplete options={addresses} placeholder="li@example.com" showSearch={{ filterOption: (q, o) => String(o?.value).includes(q.toLowerCase()) }} maxLength={320} />;
  return (
    <Panel title={t("newExport")}>
      <ApiForm<Values>
        form={form}
        initialValues={{ kind: first, format: "xlsx", filter: { table: table || undefined } }}
        onSubmit={submit}
        onValuesChange={(v: Partial<Values>) => {
          if (!v.kind) return;
          setKind(v.kind);
          form.setFieldValue(["filter", "state"], undefined); // another list has other states
        }}
        className="exchange-export"
        footer={(busy) => (
          <div className="row">
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("makeFile")}
            </Button>
            <span className="small muted">{t("exportHint")}</span>
          </div>
        )}
      >
        <div className="exchange-fields">
          <Form.Item name="kind" label={t("list")}>
            <Select options={own.map((l) => ({ value: l.kind, label: t(`list.${l.kind}`) }))} />
          </Form.Item>
          {field("table", <Select options={tables.data?.items.map((x) => ({ value: x.name, label: x.name }))} />, true)}
          {field("query", <Input placeholder={t("filterQueryExample")} maxLength={200} />)}
          {field("owner", mail)}
          {field("account", mail)}
          {field("customer", <Input placeholder="wang@customer.example" maxLength={320} />)}
          {field("rule", <Input maxLength={200} />)}
          {field("state", states[kind] ? <Select allowClear placeholder={t("anyState")} options={states[kind].map((s) => ({ value: s, label: t.any(`is.${s}`, s) }))} /> : <Input placeholder={t("stageExample")} maxLength={100} />)}
          {field("span", <DatePicker.RangePicker allowEmpty={[true, true]} style={{ width: "100%" }} />)}
          <Form.Item name="format" label={t("format")}>
            <Radio.Group>
              <Radio value="xlsx">{t("format.xlsx")}</Radio>
              <Radio value="csv">CSV</Radio>
            </Radio.Group>
          </Form.Item>
        </div>
      </ApiForm>
    </Panel>
  );
}
