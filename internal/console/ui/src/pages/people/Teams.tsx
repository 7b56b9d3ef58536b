import { Button } from "antd";
import { api, ok, type Schemas } from "@/api/client";
import { Empty, Listing } from "@/kit";
import { useText } from "./texts";

type Team = Schemas["administration"]["Team"];
const shown = 6;

export function Teams({ open, add }: { open: (id: string) => void; add?: () => void }) {
  const t = useText();
  const names = (people: Team["members"]) => {
    const first = people.slice(0, shown).map((p) => p.name || p.email).join(t("comma"));
    return people.length > shown ? t("andMore", { first, n: people.length - shown }) : first;
  };
  return (
    <Listing<Team>
      label={t("teams")}
      queryKey={["teams", "list"]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/teams", { params: { query: { cursor, limit } }, signal }))}
      rowKey={(x) => x.id}
      onOpen={(x) => open(x.id)}
      empty={
        <Empty title={t("noTeams")} action={add && <Button onClick={add}>{t("addTeam")}</Button>}>
          {t("noTeamsHint")}
        </Empty>
      }
      columns={[
        { key: "name", title: t("team"), card: "first", render: (x) => <strong>{x.name}</strong> },
        { key: "managers", title: t("managers"), render: (x) => (x.managers.length ? names(x.managers) : <span className="muted">{t("none")}</span>) },
        { key: "members", title: t("members"), render: (x) => (x.members.length ? names(x.members) : <span className="muted">{t("none")}</span>) },
        { key: "count", title: t("size"), align: "right", render: (x) => t("people.n", { n: x.members.length }) },
      ]}
    />
  );
}
