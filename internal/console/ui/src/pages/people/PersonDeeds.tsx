// What an administrator can do about a person's access. Each asks once, and says what will happen.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { fresh } from "@/app/Fresh";
import { ConfirmAction } from "@/kit";
import { invite } from "./AddPerson";
import { InvitationDialog } from "./Invitation";
import { useText } from "./texts";
import type { User } from "./words";

export function PersonDeeds({ user, etag, own, gone }: { user: User; etag: string; own: boolean; gone: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const [invitation, setInvitation] = useState<Schemas["administration"]["Invitation"]>();
  const admins = useQuery({
    queryKey: ["people", "admins"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/people", { params: { query: { role: "admin", state: "active", limit: 2 } }, signal })),
    enabled: user.role === "admin" && !user.disabled,
  });
  const last = user.role === "admin" && !user.disabled && admins.data?.items.length === 1;
  const path = { params: { path: { id: user.id } } };
  const again = () => client.invalidateQueries({ queryKey: ["people"] });
  // Nothing asks for who is gone: only the lists are loaded again.
  const left = () => {
    gone();
    return Promise.all([["people", "list"], ["people", "admins"], ["teams"]].map((queryKey) => client.invalidateQueries({ queryKey })));
  };
  const name = user.name;
  return (
    <section aria-label={t("access")}>
      <h3>{t("access")}</h3>
      <div className="row">
        <ConfirmAction title={t("linkFor", { name })} text={user.has_password ? t("newLinkText") : t("linkText")} action={() => invite(user.id).then(setInvitation)} confirm={t("makeTheLink")}>
          {user.has_password ? t("passwordLink") : t("inviteLink")}
        </ConfirmAction>
        {!own && user.second_factors > 0 && (
          <ConfirmAction title={t("resetFactors")} text={t("resetFactorsText", { name, n: user.second_factors })} danger action={() => fresh(() => ok(api.DELETE("/api/v1/people/{id}/factors", path))).then(again)}>
            {t("resetFactors")}
          </ConfirmAction>
        )}
        <ConfirmAction title={t("endSessions")} text={own ? t("endOwnText") : t("endSessionsText", { name })} danger action={() => ok(api.DELETE("/api/v1/people/{id}/sessions", path)).then(again)}>
          {t("endSessions")}
        </ConfirmAction>
        {user.disabled && (
          <ConfirmAction title={t("enable")} text={t("enableText", { name })} action={() => ok(api.POST("/api/v1/people/{id}/enable", path)).then(again)}>
            {t("enable")}
          </ConfirmAction>
        )}
        {!own && !user.disabled && !last && (
          <ConfirmAction title={t("disable")} text={t("disableText", { name })} danger action={() => ok(api.POST("/api/v1/people/{id}/disable", path)).then(again)}>
            {t("disable")}
          </ConfirmAction>
        )}
        {!own && !last && (
          <ConfirmAction
            title={t("remove")}
            text={t("removeText", { name })}
            danger
            action={() => ok(api.DELETE("/api/v1/people/{id}", { params: { path: { id: user.id }, header: { "If-Match": etag } } })).then(left)}
          >
            {t("remove")}
          </ConfirmAction>
        )}
      </div>
      {last && <p className="muted small">{t("lastAdmin")}</p>}
      {own && <p className="muted small">{t("ownAccount")}</p>}
      <InvitationDialog name={name} invitation={invitation} close={() => setInvitation(undefined)} />
    </section>
  );
}
