import { Button, Form, Input, Modal, Select } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { api, ok, versioned, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { ApiForm, Async, ConfirmAction, Facts, useSave } from "@/kit";
import { useText } from "./texts";

type Team = Schemas["administration"]["Team"];
type Draft = Schemas["administration"]["TeamDraft"];
type Ref = Schemas["administration"]["UserRef"];

/** A team: to look at, to change, or (id "new") to make. */
export function TeamDialog({ id, close }: { id: string; close: () => void }) {
  const t = useText();
  const may = useMay();
  const title = id === "new" ? t("addTeam") : may("people.write") ? t("editTeam") : t("team");
  return (
    <Modal open={Boolean(id)} onCancel={close} title={title} footer={null} width={560} destroyOnHidden>
      {id === "new" ? <TeamForm close={close} /> : id ? <Known id={id} close={close} /> : null}
    </Modal>
  );
}

function Known({ id, close }: { id: string; close: () => void }) {
  const t = useText();
  const may = useMay();
  const query = useQuery({ queryKey: ["teams", "one", id], queryFn: ({ signal }) => versioned(api.GET("/api/v1/teams/{id}", { params: { path: { id } }, signal })) });
  const names = (people: Ref[]) => people.map((p) => p.name || p.email).join(t("comma")) || t("none");
  return (
    <Async query={query}>
      {({ data, etag }) =>
        may("people.write") ? (
          <TeamForm key={etag} team={data} etag={etag} close={close} />
        ) : (
          <Facts
            rows={[
              [t("team"), data.name],
              [t("managers"), names(data.managers)],
              [t("members"), names(data.members)],
            ]}
          />
        )
      }
    </Async>
  );
}

function TeamForm({ team, etag, close }: { team?: Team; etag?: string; close: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const save = useSave<Draft, Team>({
    save: (body) =>
      team
        ? ok(api.PUT("/api/v1/teams/{id}", { params: { path: { id: team.id }, header: { "If-Match": etag ?? "" } }, body }))
        : ok(api.POST("/api/v1/teams", { body })),
    invalidates: [["teams"], ["people"]],
    done: close,
  });
  return (
    <ApiForm<Draft>
      initialValues={{ name: team?.name, members: team?.members.map((p) => p.id) ?? [], managers: team?.managers.map((p) => p.id) ?? [] }}
      onSubmit={(v) => save.mutateAsync({ ...v, name: v.name.trim() })}
      footer={(busy) => (
        <div className="row">
          <Button type="primary" htmlType="submit" loading={busy}>
            {team ? t("save") : t("addTeam")}
          </Button>
          <span className="grow" />
          {team && (
            <ConfirmAction
              title={t("removeTeam")}
              text={t("removeTeamText", { name: team.name, n: team.members.length })}
              danger
              action={async () => {
                await ok(api.DELETE("/api/v1/teams/{id}", { params: { path: { id: team.id }, header: { "If-Match": etag ?? "" } } }));
                close();
                await Promise.all([client.invalidateQueries({ queryKey: ["teams", "list"] }), client.invalidateQueries({ queryKey: ["people"] })]);
              }}
            >
              {t("removeTeam")}
            </ConfirmAction>
          )}
        </div>
      )}
    >
      <Form.Item name="name" label={t("teamName")} rules={[{ required: true, whitespace: true, message: t("nameMissing") }]}>
        <Input maxLength={100} placeholder={t("teamExample")} />
      </Form.Item>
      <Form.Item name="managers" label={t("managers")} extra={t("managersHint")}>
        <PeopleSelect known={team?.managers ?? []} />
      </Form.Item>
      <Form.Item name="members" label={t("members")} extra={t("membersHint")}>
        <PeopleSelect known={team?.members ?? []} />
      </Form.Item>
    </ApiForm>
  );
}

/** Chooses people by name or address; the API searches, so that it works with thousands. */
function PeopleSelect({ known, ...rest }: { known: Ref[]; value?: string[]; onChange?: (ids: string[]) => void; id?: string }) {
  const t = useText();
  const [typed, setTyped] = useState("");
  const [seen, setSeen] = useState<Record<string, Ref>>(() => Object.fromEntries(known.map((p) => [p.id, p])));
  const search = useDeferredValue(typed.trim());
  const query = useQuery({
    queryKey: ["people", "choose", search],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/people", { params: { query: { limit: 50, search: search || undefined, state: "active" } }, signal })),
    placeholderData: (before) => before,
  });
  const found = query.data?.items ?? [];
  const label = (p: Ref) => (p.name && p.name !== p.email ? `${p.name} · ${p.email}` : p.email);
  const all = new Map([...Object.values(seen), ...found].map((p) => [p.id, p]));
  return (
    <Select
      {...rest}
      mode="multiple"
      showSearch={{ filterOption: false, onSearch: setTyped }}
      placeholder={t("choosePeople")}
      notFoundContent={query.isFetching ? t("searching") : t("nobodyFound")}
      onSelect={(id: string) => {
        const p = all.get(id);
        if (p) setSeen((was) => ({ ...was, [id]: p }));
      }}
      options={[...new Set([...found.map((p) => p.id), ...(rest.value ?? [])])].flatMap((id) => {
        const p = all.get(id);
        return p ? [{ value: id, label: label(p) }] : [];
      })}
    />
  );
}
