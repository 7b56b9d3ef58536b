// A person: who it is, what they see, where they are signed in, and what an administrator can do about it.
import { EditOutlined } from "@ant-design/icons";
import { Button, Drawer, Form, Modal } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, versioned } from "@/api/client";
import { useMay, useSession } from "@/app/session";
import { ApiForm, Async, Facts, State, Time, useNarrow, useSave } from "@/kit";
import { PersonDeeds } from "./PersonDeeds";
import { PersonFields, type PersonValues } from "./PersonFields";
import { useText } from "./texts";
import { RoleState, useSees, type User } from "./words";

export function PersonDrawer({ id, close }: { id: string; close: () => void }) {
  const t = useText();
  const narrow = useNarrow();
  return (
    <Drawer open={Boolean(id)} onClose={close} title={t("person")} size={narrow ? "100%" : 520} destroyOnHidden>
      {id && <Inside id={id} close={close} />}
    </Drawer>
  );
}

function Inside({ id, close }: { id: string; close: () => void }) {
  const t = useText();
  const may = useMay();
  const sees = useSees();
  const { person: me } = useSession();
  const [edit, setEdit] = useState(false);
  const query = useQuery({ queryKey: ["people", "one", id], queryFn: ({ signal }) => versioned(api.GET("/api/v1/people/{id}", { params: { path: { id } }, signal })) });
  return (
    <Async query={query}>
      {({ data: u, etag }) => (
        <div className="stack">
          <div>
            <div className="row">
              <h2 style={{ margin: 0, fontSize: 18 }}>{u.name}</h2>
              <RoleState role={u.role} />
              {u.disabled && <State tone="bad">{t("disabled")}</State>}
              <span className="grow" />
              {may("people.write") && (
                <Button icon={<EditOutlined aria-hidden />} onClick={() => setEdit(true)}>
                  {t("edit")}
                </Button>
              )}
            </div>
            <span className="muted">{u.email}</span>
          </div>
          <Facts
            rows={[
              [t("roleMeans"), t(`roleHint.${u.role}`)],
              [t("sees"), sees(u)],
              [t("accounts"), u.accounts.join(t("comma"))],
              [t("teams"), u.teams.map((x) => (x.manages ? t("manages", { name: x.name }) : x.name)).join(t("comma"))],
              [t("signsIn"), [u.has_password && t("byPassword"), u.issuer && t("byIssuer", { name: u.issuer }), !u.has_password && !u.issuer && t("byMailbox")].filter(Boolean).join(t("comma"))],
              [t("secondFactor"), u.second_factors ? t("factors", { n: u.second_factors }) : t("factorOff")],
              [t("language"), u.language && (u.language === "zh" ? "中文" : "English")],
              [t("since"), <Time key="c" at={u.created_at} />],
              [t("lastSignIn"), u.last_sign_in_at ? <Time key="l" at={u.last_sign_in_at} /> : t("never")],
            ]}
          />
          <Sessions id={id} />
          {may("people.write") && <PersonDeeds user={u} etag={etag} own={u.id === me?.id} gone={close} />}
          <EditPerson user={u} etag={etag} own={u.id === me?.id} open={edit} close={() => setEdit(false)} />
        </div>
      )}
    </Async>
  );
}

function Sessions({ id }: { id: string }) {
  const t = useText();
  const query = useQuery({ queryKey: ["people", "sessions", id], queryFn: ({ signal }) => ok(api.GET("/api/v1/people/{id}/sessions", { params: { path: { id } }, signal })) });
  return (
    <section aria-label={t("sessions")}>
      <h3>{t("sessions")}</h3>
      <Async query={query} lines={2} empty={(s) => !s.items.length && <p className="muted" style={{ margin: 0 }}>{t("noSessions")}</p>}>
        {({ items }) => (
          <ul className="plain-list">
            {items.map((s) => (
              <li key={s.id} style={{ paddingInline: 0 }}>
                <div className="grow">
                  {s.device} <span className="muted small">· {t.any(`with.${s.with}`, s.with)}</span>
                  <div className="muted small">
                    <span className="mono">{s.address}</span> · {t.rich("lastUsed", { time: <Time at={s.last_used_at} /> })}
                  </div>
                </div>
              </li>
            ))}
          </ul>
        )}
      </Async>
    </section>
  );
}

function EditPerson({ user, etag, own, open, close }: { user: User; etag: string; own: boolean; open: boolean; close: () => void }) {
  const t = useText();
  const [form] = Form.useForm<PersonValues>();
  const save = useSave({
    save: (v: PersonValues) =>
      ok(
        api.PATCH("/api/v1/people/{id}", {
          params: { path: { id: user.id }, header: { "If-Match": etag } },
          // Nobody changes the own role: what is not sent is not refused.
          body: { name: v.name.trim(), language: v.language, accounts: v.accounts, ...(!own && { role: v.role, scope: v.scope }) },
        }),
      ),
    invalidates: [["people"], ["teams"], ["me"]],
    done: close,
  });
  return (
    <Modal open={open} onCancel={close} title={t("edit")} footer={null} width={520} destroyOnHidden>
      <ApiForm
        form={form}
        preserve={false}
        initialValues={{ name: user.name, role: user.role, scope: user.scope, language: user.language, accounts: user.accounts }}
        onSubmit={save.mutateAsync}
        footer={(busy) => (
          <Button type="primary" htmlType="submit" loading={busy}>
            {t("save")}
          </Button>
        )}
      >
        <PersonFields form={form} own={own} />
      </ApiForm>
    </Modal>
  );
}
