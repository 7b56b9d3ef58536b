// Whom rules send nothing: who opted out, whose mailbox is dead, and whom somebody entered.
import { PlusOutlined } from "@ant-design/icons";
import { Button, Form, Input, Modal, Select } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { ApiForm, ConfirmAction, Empty, Listing, State, Time, useFilters, useTyped, type Column } from "@/kit";
import { useText } from "./texts";

type Suppression = Schemas["automation"]["Suppression"];
type Reason = Schemas["automation"]["SuppressReason"];
type New = Schemas["automation"]["SuppressionNew"];
const reasons: Reason[] = ["opt_out", "bounce", "complaint", "operator"];

export function Suppressions() {
  const t = useText();
  const may = useMay();
  const client = useQueryClient();
  const [f, set] = useFilters({ search: "", reason: "" });
  const [typed, type] = useTyped(f.search, (search) => set({ search }));
  const [adding, setAdding] = useState(false);
  const again = () => client.invalidateQueries({ queryKey: ["outbox", "suppressions"] });
  const remove = (s: Suppression) => ok(api.DELETE("/api/v1/suppressions/{address}", { params: { path: { address: s.address }, query: { list: s.list } } })).then(again);
  const columns: Column<Suppression>[] = [
    { key: "address", title: t("address"), card: "first", render: (s) => <span style={{ overflowWrap: "anywhere" }}>{s.address}</span> },
    { key: "list", title: t("list"), render: (s) => s.list || t("allMail") },
    { key: "reason", title: t("reason"), render: (s) => <State tone={s.reason === "complaint" ? "bad" : s.reason === "bounce" ? "warn" : "plain"}>{t(`reason.${s.reason}`)}</State> },
    { key: "detail", title: t("detail"), render: (s) => <span style={{ overflowWrap: "anywhere" }}>{s.detail || "–"}</span> },
    { key: "origin", title: t("origin"), render: (s) => s.origin || "–" },
    { key: "at", title: t("when"), render: (s) => <Time at={s.at} /> },
  ];
  if (may("outbox.write")) {
    columns.push({
      key: "do",
      title: "",
      align: "right",
      card: "plain",
      render: (s) => (
        <ConfirmAction title={t("remove.title", { address: s.address })} text={t(s.reason === "opt_out" ? "remove.optOut" : s.reason === "bounce" ? "remove.bounce" : "remove.text")} danger={s.reason === "opt_out" || s.reason === "complaint"} button={{ size: "small" }} action={() => remove(s)}>
          {t("remove")}
        </ConfirmAction>
      ),
    });
  }
  return (
    <>
      <Listing<Suppression>
        label={t("tab.suppressions")}
        queryKey={["outbox", "suppressions", f]}
        fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/suppressions", { params: { query: { ...(f.search && { search: f.search }), ...(f.reason && { reason: f.reason as Reason }), cursor, limit } }, signal }))}
        rowKey={(s) => `${s.address} ${s.list}`}
        filtered={Boolean(f.search || f.reason)}
        empty={<Empty title={t("none.suppressions")}>{t("none.suppressionsHint")}</Empty>}
        filters={
          <>
            <Input.Search aria-label={t("address")} placeholder={t("address")} value={typed} onChange={(e) => type(e.target.value)} allowClear style={{ maxWidth: 260 }} />
            <Select aria-label={t("reason")} value={f.reason} onChange={(reason) => set({ reason })} style={{ minWidth: 150 }} options={[{ value: "", label: t("anyReason") }, ...reasons.map((r) => ({ value: r, label: t(`reason.${r}`) }))]} />
            <span className="grow" />
            {may("outbox.write") && (
              <Button icon={<PlusOutlined aria-hidden />} onClick={() => setAdding(true)} aria-haspopup="dialog">
                {t("add")}
              </Button>
            )}
          </>
        }
        columns={columns}
      />
      <Modal open={adding} title={t("add")} onCancel={() => setAdding(false)} footer={null} width={480} destroyOnHidden>
        <p style={{ marginTop: 0 }}>{t("add.hint")}</p>
        <ApiForm<New>
          initialValues={{ reason: "operator" }}
          onSubmit={(v) => ok(api.POST("/api/v1/suppressions", { body: { address: v.address.trim(), list: v.list?.trim() ?? "", reason: v.reason, detail: v.detail?.trim() } })).then(() => (setAdding(false), again()))}
          footer={(busy) => (
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("add")}
            </Button>
          )}
        >
          <Form.Item name="address" label={t("address")} rules={[{ required: true, type: "email", message: t("add.address") }]}>
            <Input type="email" maxLength={320} />
          </Form.Item>
          <Form.Item name="reason" label={t("reason")}>
            <Select options={(["operator", "opt_out", "complaint"] as const).map((r) => ({ value: r, label: t(`reason.${r}`) }))} />
          </Form.Item>
          <Form.Item name="detail" label={t("detail")} rules={[{ required: true, whitespace: true, message: t("add.detail") }]}>
            <Input maxLength={500} placeholder={t("add.example")} />
          </Form.Item>
          <Form.Item name="list" label={t("list")} extra={t("add.list")}>
            <Input maxLength={200} />
          </Form.Item>
        </ApiForm>
      </Modal>
    </>
  );
}
