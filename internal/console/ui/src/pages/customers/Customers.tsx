import { SearchOutlined } from "@ant-design/icons";
import { Input, Segmented, Select } from "antd";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { Empty, Head, Listing, number, useFilters, useTyped, type Column } from "@/kit";
import { LastContact } from "./LastContact";
import { useText } from "./texts";
import "./customers.css";

type Summary = Schemas["mail"]["CustomerSummary"];
const first = { q: "", kind: "person", account: "", known: "" };

export default function Customers() {
  const t = useText();
  const [f, set] = useFilters(first);
  const [q, setQ] = useTyped(f.q, (v) => set({ q: v }));
  const [account, setAccount] = useTyped(f.account, (v) => set({ account: v }));
  useLiveQueries(["message"], ["customers", "list"]);
  const company = f.kind === "company";
  const columns: Column<Summary>[] = [
    { key: "name", title: company ? t("company") : t("name"), card: "first", render: (c) => <Name c={c} /> },
    ...(company ? [] : [{ key: "company", title: t("company"), render: (c: Summary) => c.company ? <bdi>{c.company}</bdi> : <span className="muted">–</span> }]),
    { key: "last", title: t("lastContact"), render: (c) => <LastContact of={c} /> },
    { key: "owner", title: t("owner"), render: (c) => c.owner ?? <span className="muted">–</span> },
    { key: "messages", title: t("mails"), align: "right", render: (c) => number(c.messages, t.lang) },
  ];
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <Listing<Summary>
        label={t("title")}
        queryKey={["customers", "list", f]}
        fetch={({ cursor, limit, signal }) =>
          ok(
            api.GET("/api/v1/customers", {
              params: { query: { q: f.q.trim() || undefined, kind: f.kind as Summary["kind"], account: f.account.trim() || undefined, known: f.known ? f.known === "true" : undefined, limit, cursor } },
              signal,
            }),
          )
        }
        rowKey={(c) => c.id}
        to={(c) => `/customers/${encodeURIComponent(c.id)}`}
        columns={columns}
        filtered={Boolean(f.q || f.account || f.known)}
        filters={
          <>
            <Segmented
              aria-label={t("kind")}
              value={f.kind}
              onChange={(kind) => set({ kind })}
              options={[
                { value: "person", label: t("people") },
                { value: "company", label: t("companies") },
              ]}
            />
            <Input type="search" prefix={<SearchOutlined aria-hidden />} value={q} onChange={(e) => setQ(e.target.value)} placeholder={t("search")} aria-label={t("search")} maxLength={200} style={{ width: 280, maxWidth: "100%" }} />
            <Input type="search" value={account} onChange={(e) => setAccount(e.target.value)} placeholder={t("account")} aria-label={t("account")} maxLength={200} style={{ width: 200, maxWidth: "100%" }} />
            <Select
              aria-label={t("inCRM")}
              value={f.known}
              onChange={(known: string) => set({ known })}
              style={{ width: 150 }}
              options={[
                { value: "", label: t("known.any") },
                { value: "true", label: t("known.true") },
                { value: "false", label: t("known.false") },
              ]}
            />
          </>
        }
        empty={
          <Empty title={t("none")} action={<Link to="/messages">{t("noneAction")}</Link>}>
            {t("noneHint")}
          </Empty>
        }
      />
    </>
  );
}

function Name({ c }: { c: Summary }) {
  const t = useText();
  const also = c.kind === "company" ? c.domain : c.addresses[0];
  return (
    <div className="customer-name">
      <Link to={`/customers/${encodeURIComponent(c.id)}`}>
        <bdi>{c.name}</bdi>
      </Link>
      {!c.known && <span className="muted small"> · {t("unknown")}</span>}
      <div className="muted small">
        {c.title && (
          <>
            <bdi>{c.title}</bdi> ·{" "}
          </>
        )}
        {also !== c.name && also}
        {c.addresses.length > 1 && c.kind !== "company" && ` +${number(c.addresses.length - 1, t.lang)}`}
      </div>
    </div>
  );
}
