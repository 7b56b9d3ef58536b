// Mail accounts: what is captured of each and why, who is enrolled, what has trouble.
import { SearchOutlined } from "@ant-design/icons";
import { Button, Form, Input, Modal, Select, Tabs } from "antd";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, ok } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Empty, Head, Listing, number, Time, useFilters, useTyped } from "@/kit";
import { useText } from "./texts";
import { Watched } from "./Watched";
import { AccountState, type Account } from "./words";
import "./accounts.css";

const states = ["all", "capturing", "paused", "enrolled", "watched", "trouble"] as const;

export default function Accounts() {
  const t = useText();
  const may = useMay();
  const [{ tab }, set] = useFilters({ tab: "accounts" });
  return (
    <>
      <Head title={t("title")} actions={may("accounts.write") && <Add />}>
        {t("hint")}
      </Head>
      <Tabs
        activeKey={tab}
        onChange={(next) => set({ tab: next })}
        destroyOnHidden
        items={[
          { key: "accounts", label: t("title"), children: <List /> },
          { key: "watched", label: t("watched"), children: <Watched /> },
        ]}
      />
    </>
  );
}

function List() {
  const t = useText();
  const [f, set] = useFilters({ q: "", state: "all" });
  const [q, setQ] = useTyped(f.q, (v) => set({ q: v }));
  const state = states.find((s) => s === f.state) ?? "all";
  useLiveQueries(["account", "backfill"], ["accounts"]);
  return (
    <Listing<Account>
      label={t("title")}
      queryKey={["accounts", "list", f.q, state]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/accounts", { params: { query: { q: f.q || undefined, state, cursor, limit } }, signal }))}
      rowKey={(a) => a.address}
      to={(a) => `/accounts/${encodeURIComponent(a.address)}`}
      filtered={Boolean(f.q) || state !== "all"}
      empty={<Empty title={t("none")}>{t("noneHint")}</Empty>}
      refetchInterval={30_000}
      filters={
        <>
          <Input allowClear prefix={<SearchOutlined aria-hidden />} aria-label={t("find")} placeholder={t("find")} value={q} onChange={(e) => setQ(e.target.value)} maxLength={200} style={{ width: 260, maxWidth: "100%" }} />
          <Select aria-label={t("stateFilter")} value={state} onChange={(v) => set({ state: v })} options={states.map((s) => ({ value: s, label: t(`filter.${s}`) }))} style={{ minWidth: 140 }} />
        </>
      }
      columns={[
        {
          key: "account",
          title: t("account"),
          card: "first",
          render: (a) => (
            <>
              <div>{a.name || a.address}</div>
              {a.name && <div className="small muted ac-any">{a.address}</div>}
            </>
          ),
        },
        {
          key: "state",
          title: t("capture"),
          render: (a) => (
            <>
              <AccountState account={a} t={t} />
              <div className="small muted ac-why">{a.trouble ? a.trouble : a.paused ? a.paused.reason : t(`policy.${a.capture.policy}`)}</div>
            </>
          ),
        },
        { key: "seen", title: t("lastSeen"), render: (a) => (a.last_seen_at ? <Time at={a.last_seen_at} /> : <span className="muted">{t("neverSeen")}</span>) },
        { key: "entries", title: t("entries"), align: "right", render: (a) => number(a.entries, t.lang) },
        { key: "failed", title: t("failed"), align: "right", render: (a) => (a.failed > 0 ? <strong className="ac-bad">{number(a.failed, t.lang)}</strong> : "0") },
        { key: "enrolment", title: t("enrolment"), render: (a) => [t(`enrolment.${a.enrolment.state}`), a.watched && t("isWatched")].filter(Boolean).join(" · ") },
      ]}
    />
  );
}

/** An account of which there is no mail yet: one goes to its page, to enrol it or to pause it beforehand. */
function Add() {
  const t = useText();
  const go = useNavigate();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button type="primary" onClick={() => setOpen(true)} aria-haspopup="dialog">
        {t("add")}
      </Button>
      <Modal open={open} onCancel={() => setOpen(false)} title={t("add")} footer={null} width={440} destroyOnHidden>
        <p style={{ marginTop: 0 }}>{t("addHint")}</p>
        <Form layout="vertical" requiredMark={false} onFinish={(v: { address: string }) => void go(`/accounts/${encodeURIComponent(v.address.trim().toLowerCase())}`)}>
          <Form.Item name="address" label={t("address")} rules={[{ required: true, pattern: /^\s*[^\s@]+@[^\s@]+\s*$/, message: t("addressMissing") }]}>
            <Input inputMode="email" autoCapitalize="none" spellCheck={false} maxLength={254} />
          </Form.Item>
          <Button type="primary" htmlType="submit">
            {t("next")}
          </Button>
        </Form>
      </Modal>
    </>
  );
}
