import { Button, Input, Select } from "antd";
import { api, ok } from "@/api/client";
import { useSession } from "@/app/session";
import { Empty, Listing, State, Time, useFilters, useTyped } from "@/kit";
import { useText } from "./texts";
import { RoleState, roles, useSees, type Role, type User } from "./words";

export function PeopleList({ open, add }: { open: (id: string) => void; add?: () => void }) {
  const t = useText();
  const sees = useSees();
  const { person: me } = useSession();
  const [filters, setFilters] = useFilters({ search: "", role: "", state: "" });
  const [typed, setTyped] = useTyped(filters.search, (search) => setFilters({ search }));
  return (
    <Listing<User>
      label={t("people")}
      queryKey={["people", "list", filters]}
      fetch={({ cursor, limit, signal }) =>
        ok(
          api.GET("/api/v1/people", {
            params: { query: { cursor, limit, search: filters.search || undefined, role: (filters.role || undefined) as Role | undefined, state: (filters.state || undefined) as "active" | "disabled" | undefined } },
            signal,
          }),
        )
      }
      rowKey={(u) => u.id}
      onOpen={(u) => open(u.id)}
      filtered={Boolean(filters.search || filters.role || filters.state)}
      empty={
        <Empty title={t("nobody")} action={add && <Button onClick={add}>{t("add")}</Button>}>
          {t("nobodyHint")}
        </Empty>
      }
      filters={
        <>
          <Input.Search allowClear value={typed} onChange={(e) => setTyped(e.target.value)} placeholder={t("search")} aria-label={t("search")} style={{ maxWidth: 260 }} maxLength={200} />
          <Select
            aria-label={t("role")}
            value={filters.role}
            onChange={(role) => setFilters({ role })}
            style={{ width: 140 }}
            options={[{ value: "", label: t("anyRole") }, ...roles.map((r) => ({ value: r, label: t(`role.${r}`) }))]}
          />
          <Select
            aria-label={t("state")}
            value={filters.state}
            onChange={(state) => setFilters({ state })}
            style={{ width: 140 }}
            options={[
              { value: "", label: t("anyState") },
              { value: "active", label: t("active") },
              { value: "disabled", label: t("disabled") },
            ]}
          />
        </>
      }
      columns={[
        {
          key: "name",
          title: t("name"),
          card: "first",
          render: (u) => (
            <>
              <strong>{u.name}</strong>
              {u.id === me?.id && <span className="muted"> {t("you")}</span>}
              <div className="muted small">{u.email}</div>
            </>
          ),
        },
        { key: "role", title: t("role"), render: (u) => <RoleState role={u.role} /> },
        { key: "sees", title: t("sees"), render: (u) => <span className="small">{sees(u)}</span> },
        { key: "factor", title: t("secondFactor"), render: (u) => <Factor user={u} /> },
        { key: "last", title: t("lastSignIn"), render: (u) => (u.last_sign_in_at ? <Time at={u.last_sign_in_at} /> : <span className="muted">{t("never")}</span>) },
        { key: "state", title: t("state"), render: (u) => (u.disabled ? <State tone="bad">{t("disabled")}</State> : <State tone="good">{t("active")}</State>) },
      ]}
    />
  );
}

/** Only a local password can have a second factor; others have that of their issuer. */
function Factor({ user }: { user: User }) {
  const t = useText();
  if (user.second_factors) return <State tone="good">{t("factorOn")}</State>;
  if (!user.has_password) return <span className="muted small">{user.issuer ? t("byIssuer", { name: user.issuer }) : t("byMailbox")}</span>;
  return <State tone={user.role === "admin" ? "warn" : "plain"}>{t("factorOff")}</State>;
}
