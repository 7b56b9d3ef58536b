// Who may sign in and what they see: people, teams, and what a role may do.
import { PlusOutlined } from "@ant-design/icons";
import { Button, Tabs } from "antd";
import { useMay } from "@/app/session";
import { Head, useFilters } from "@/kit";
import { AddPerson } from "./AddPerson";
import { PeopleList } from "./PeopleList";
import { PersonDrawer } from "./PersonDrawer";
import { Roles } from "./Roles";
import { TeamDialog } from "./TeamDialog";
import { Teams } from "./Teams";
import { useText } from "./texts";

export default function People() {
  const t = useText();
  const may = useMay();
  const [at, go] = useFilters({ tab: "people", person: "", team: "", add: "" });
  const write = may("people.write");
  const action =
    write && at.tab === "people" ? (
      <Button type="primary" icon={<PlusOutlined aria-hidden />} onClick={() => go({ add: "1" })}>
        {t("add")}
      </Button>
    ) : write && at.tab === "teams" ? (
      <Button type="primary" icon={<PlusOutlined aria-hidden />} onClick={() => go({ team: "new" })}>
        {t("addTeam")}
      </Button>
    ) : undefined;
  return (
    <>
      <Head title={t("title")} actions={action}>
        {t("hint")}
      </Head>
      <Tabs
        activeKey={at.tab}
        onChange={(tab) => go({ tab, person: "", team: "" })}
        destroyOnHidden
        items={[
          { key: "people", label: t("people"), children: <PeopleList open={(person) => go({ person })} add={write ? () => go({ add: "1" }) : undefined} /> },
          { key: "teams", label: t("teams"), children: <Teams open={(team) => go({ team })} add={write ? () => go({ team: "new" }) : undefined} /> },
          { key: "roles", label: t("roles"), children: <Roles /> },
        ]}
      />
      {write && <AddPerson open={at.add === "1"} close={() => go({ add: "" })} />}
      <PersonDrawer id={at.person} close={() => go({ person: "" })} />
      <TeamDialog id={at.team} close={() => go({ team: "" })} />
    </>
  );
}
