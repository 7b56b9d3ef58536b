// Access for other programs: one's own tokens, and for those who manage people everybody's.
import { PlusOutlined } from "@ant-design/icons";
import { Button, Tabs } from "antd";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { fresh } from "@/app/Fresh";
import { useMay } from "@/app/session";
import { ConfirmAction, Empty, Head, Listing, State, Time, useFilters, type Column } from "@/kit";
import { permissionWords } from "@/kit/permissions";
import { AddToken } from "./AddToken";
import { NewToken } from "./NewToken";
import { useText } from "./texts";

type Token = Schemas["administration"]["ApiToken"];
const tones = { active: "good", expired: "plain", owner_disabled: "warn" } as const;

export default function Tokens() {
  const t = useText();
  const may = useMay();
  const client = useQueryClient();
  const [at, go] = useFilters({ tab: "own", add: "" });
  const [made, setMade] = useState<Schemas["administration"]["NewApiToken"]>();
  const again = () => client.invalidateQueries({ queryKey: ["tokens"] });
  const add = (
    <Button type="primary" icon={<PlusOutlined aria-hidden />} onClick={() => go({ add: "1" })}>
      {t("add")}
    </Button>
  );
  return (
    <>
      <Head title={t("title")} actions={add}>
        {t("hint")} <Link to="/reference" className="said">{t("reference")}</Link>
      </Head>
      {may("people.write") ? (
        <Tabs
          activeKey={at.tab}
          onChange={(tab) => go({ tab })}
          destroyOnHidden
          items={[
            { key: "own", label: t("own"), children: <List add={() => go({ add: "1" })} again={again} /> },
            { key: "all", label: t("all"), children: <List all again={again} /> },
          ]}
        />
      ) : (
        <List add={() => go({ add: "1" })} again={again} />
      )}
      <AddToken
        open={at.add === "1"}
        close={() => go({ add: "" })}
        added={(token) => {
          go({ add: "" });
          setMade(token);
          void again();
        }}
      />
      <NewToken made={made} close={() => setMade(undefined)} />
    </>
  );
}

function List({ all, add, again }: { all?: boolean; add?: () => void; again: () => Promise<unknown> }) {
  const t = useText();
  const owner: Column<Token> = {
    key: "owner",
    title: t("owner"),
    render: (x) => (
      <>
        {x.owner.name}
        <div className="muted small">{x.owner.email}</div>
      </>
    ),
  };
  return (
    <Listing<Token>
      label={all ? t("all") : t("own")}
      queryKey={["tokens", all ? "all" : "own"]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/tokens", { params: { query: { cursor, limit, ...(all && { all: true }) } }, signal }))}
      rowKey={(x) => x.id}
      empty={
        <Empty title={t("none")} action={add && <Button onClick={add}>{t("add")}</Button>}>
          {t("noneHint")}
        </Empty>
      }
      columns={[
        { key: "name", title: t("name"), card: "first", render: (x) => <strong>{x.name}</strong> },
        ...(all ? [owner] : []),
        {
          key: "permissions",
          title: t("may"),
          render: (x) => (
            <ul className="tight small">
              {x.permissions.map((p) => (
                <li key={p}>{permissionWords(p, t.lang)}</li>
              ))}
            </ul>
          ),
        },
        { key: "used", title: t("used"), render: (x) => (x.last_used_at ? <Time at={x.last_used_at} /> : <span className="muted">{t("never")}</span>) },
        { key: "expires", title: t("expires"), render: (x) => (x.expires_at ? <Time at={x.expires_at} /> : t("noEnd")) },
        { key: "state", title: t("state"), render: (x) => <State tone={tones[x.state]}>{t(`state.${x.state}`)}</State> },
        {
          key: "do",
          title: "",
          render: (x) => (
            <ConfirmAction
              title={t("revokeTitle", { name: x.name })}
              text={all ? t("revokeOther", { owner: x.owner.name }) : t("revokeHint")}
              danger
              button={{ size: "small" }}
              action={() => fresh(() => ok(api.DELETE("/api/v1/tokens/{id}", { params: { path: { id: x.id } } }))).then(again)}
            >
              {t("revoke")}
            </ConfirmAction>
          ),
        },
      ]}
    />
  );
}
