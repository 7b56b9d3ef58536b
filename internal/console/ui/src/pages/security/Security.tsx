// One's own sign-in: name and language, password, second factors, sessions.
import { Button, Form, Input, Modal, Select } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { fresh } from "@/app/Fresh";
import { sessionKey, useMay } from "@/app/session";
import { ApiForm, Async, ConfirmAction, Facts, Head, Panel, State, Time, useSave } from "@/kit";
import { setLang } from "@/lang";
import { Factors } from "./Factors";
import { useText } from "./texts";

type Me = Schemas["administration"]["Me"];

export default function Security() {
  const t = useText();
  const may = useMay();
  const me = useQuery({ queryKey: ["me"], queryFn: ({ signal }) => ok(api.GET("/api/v1/me", { signal })) });
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <div className="stack">
        <Async query={me}>
          {(m) => (
            <>
              <Account me={m} />
              <Factors />
            </>
          )}
        </Async>
        <Sessions />
        {may("tokens.own") && (
          <Panel title={t("tokens")}>
            {t("tokensHint")} <Link to="/tokens" className="said">{t("toTokens")}</Link>
          </Panel>
        )}
      </div>
    </>
  );
}

function Account({ me }: { me: Me }) {
  const t = useText();
  const [edit, setEdit] = useState(false);
  const [password, setPassword] = useState(false);
  return (
    <Panel
      title={t("account")}
      extra={
        <>
          {me.has_password && <Button onClick={() => setPassword(true)}>{t("changePassword")}</Button>}
          <Button onClick={() => setEdit(true)}>{t("edit")}</Button>
        </>
      }
    >
      <Facts
        rows={[
          [t("name"), me.name],
          [t("email"), me.email],
          [t("role"), `${t.any(`role.${me.role}`, me.role)} · ${t.any(`scope.${me.scope}`, me.scope)}`],
          [t("accounts"), me.accounts.filter((a) => a !== me.email).join(t.lang === "zh" ? "、" : ", ")],
          [t("teams"), me.teams.map((x) => (x.manages ? t("manages", { name: x.name }) : x.name)).join(t.lang === "zh" ? "、" : ", ")],
          [t("language"), me.language && (me.language === "zh" ? "中文" : "English")],
        ]}
      />
      <EditAccount me={me} open={edit} close={() => setEdit(false)} />
      <ChangePassword open={password} close={() => setPassword(false)} />
    </Panel>
  );
}

function EditAccount({ me, open, close }: { me: Me; open: boolean; close: () => void }) {
  const t = useText();
  const save = useSave({
    save: (v: { name: string; language: "zh" | "en" }) => ok(api.PATCH("/api/v1/me", { body: v })),
    invalidates: [["me"], sessionKey],
    done: (m) => {
      if (m.language) setLang(m.language);
      close();
    },
  });
  return (
    <Modal open={open} onCancel={close} title={t("edit")} footer={null} width={420} destroyOnHidden>
      <ApiForm
        initialValues={{ name: me.name, language: me.language }}
        onSubmit={save.mutateAsync}
        footer={(busy) => (
          <Button type="primary" htmlType="submit" loading={busy}>
            {t("save")}
          </Button>
        )}
      >
        <Form.Item name="name" label={t("name")} rules={[{ required: true, whitespace: true, message: t("nameMissing") }]}>
          <Input maxLength={200} autoComplete="name" />
        </Form.Item>
        <Form.Item name="language" label={t("language")}>
          <Select
            options={[
              { value: "zh", label: "中文" },
              { value: "en", label: "English" },
            ]}
          />
        </Form.Item>
      </ApiForm>
    </Modal>
  );
}

function ChangePassword({ open, close }: { open: boolean; close: () => void }) {
  const t = useText();
  const save = useSave({
    save: (v: { current: string; new: string }) => fresh(() => ok(api.PUT("/api/v1/me/password", { body: { current: v.current, new: v.new } }))),
    invalidates: [["me", "sessions"]],
    done: close,
  });
  return (
    <Modal open={open} onCancel={close} title={t("changePassword")} footer={null} width={420} destroyOnHidden>
      <p style={{ marginTop: 0 }}>{t("changePasswordHint")}</p>
      <ApiForm
        onSubmit={save.mutateAsync}
        requiredMark={false}
        footer={(busy) => (
          <Button type="primary" htmlType="submit" loading={busy}>
            {t("changePassword")}
          </Button>
        )}
      >
        <Form.Item name="current" label={t("current")} rules={[{ required: true, message: t("currentMissing") }]}>
          <Input.Password autoComplete="current-password" maxLength={1024} />
        </Form.Item>
        <Form.Item name="new" label={t("new")} rules={[{ required: true, min: 12, message: t("short") }]}>
          <Input.Password autoComplete="new-password" maxLength={1024} />
        </Form.Item>
      </ApiForm>
    </Modal>
  );
}

function Sessions() {
  const t = useText();
  const client = useQueryClient();
  const key = ["me", "sessions"];
  const query = useQuery({ queryKey: key, queryFn: ({ signal }) => ok(api.GET("/api/v1/me/sessions", { signal })) });
  const again = () => client.invalidateQueries({ queryKey: key });
  const others = query.data?.items.some((s) => !s.current);
  return (
    <Panel
      title={t("sessions")}
      flush
      extra={
        others && (
          <ConfirmAction title={t("endOthers")} text={t("endOthersHint")} danger action={() => fresh(() => ok(api.DELETE("/api/v1/me/sessions"))).then(again)}>
            {t("endOthers")}
          </ConfirmAction>
        )
      }
    >
      <Async query={query} lines={3}>
        {({ items }) => (
          <ul className="plain-list">
            {items.map((s) => (
              <li key={s.id}>
                <div className="grow">
                  <div className="row">
                    <strong>{s.device}</strong>
                    {s.current && <State tone="good">{t("thisOne")}</State>}
                  </div>
                  <div className="muted small">
                    {t.any(`with.${s.with}`, s.with)} · <span className="mono">{s.address}</span> · {t.rich("lastUsed", { time: <Time at={s.last_used_at} /> })} ·{" "}
                    {t.rich("until", { time: <Time at={s.expires_at} /> })}
                  </div>
                </div>
                {!s.current && (
                  <ConfirmAction title={t("end")} text={t("endHint", { device: s.device })} action={() => fresh(() => ok(api.DELETE("/api/v1/me/sessions/{id}", { params: { path: { id: s.id } } }))).then(again)} button={{ size: "small" }}>
                    {t("end")}
                  </ConfirmAction>
                )}
              </li>
            ))}
          </ul>
        )}
      </Async>
    </Panel>
  );
}
