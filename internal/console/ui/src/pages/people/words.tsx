// What a person sees, in words.
import { useQuery } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { State, type Tone } from "@/kit";
import { useText } from "./texts";

export type User = Schemas["administration"]["User"];
export type Role = Schemas["administration"]["RoleName"];
export type Scope = Schemas["administration"]["ScopeName"];

export const roles: Role[] = ["admin", "manager", "agent", "auditor"];

export const useRoles = () => useQuery({ queryKey: ["roles"], queryFn: ({ signal }) => ok(api.GET("/api/v1/roles", { signal })), staleTime: 3_600_000 });

const tones: Record<Role, Tone> = { admin: "warn", manager: "info", agent: "plain", auditor: "plain" };

export function RoleState({ role }: { role: Role }) {
  const t = useText();
  return <State tone={tones[role]}>{t.any(`role.${role}`, role)}</State>;
}

/** "All mail", "The own mail and that of the team East", "Mail of li@…". */
export function useSees() {
  const t = useText();
  return (u: { role: Role; scope: Scope; accounts: string[]; teams?: User["teams"] }) => {
    if (u.role === "auditor") return t("sees.auditor");
    if (u.scope === "all") return t("sees.all");
    const own = u.accounts.join(t("comma"));
    if (u.scope === "own") return own ? t("sees.own", { accounts: own }) : t("sees.nothing");
    const managed = (u.teams ?? []).filter((x) => x.manages).map((x) => x.name);
    return managed.length ? t("sees.team", { teams: managed.join(t("comma")) }) : t("sees.noTeam");
  };
}
