// What I keep from being mirrored: people, companies, folders, marks in subjects; with a look at what a choice would have kept out.
import { DeleteOutlined, EyeOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Input, Select } from "antd";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok } from "@/api/client";
import { asProblem } from "@/api/problem";
import { Async, Empty, Panel, Problem, Time, useFilters } from "@/kit";
import { Preview } from "./Preview";
import { useChangePrivacy, usePrivacy, useRemove, type Choice, type PrivacyOf } from "./usePrivacy";
import { useText } from "./texts";

const kinds = ["address", "domain", "subdomains", "folder", "subject"] as const;

export function Privacy() {
  const t = useText();
  const [{ account }, set] = useFilters({ account: "" });
  const query = usePrivacy(account);
  if (query.error && asProblem(query.error).code === "no_own_account") return <Empty title={t("noAccount")}>{t("noAccountHint")}</Empty>;
  return (
    <Async query={query}>
      {(p) => (
        <div className="stack my-privacy">
          {p.data.others.length > 0 && (
            <label className="my-account">
              <span>{t("whose")}</span>
              <Select value={p.data.account} onChange={(a: string) => set({ account: a })} options={[p.data.account, ...p.data.others].sort().map((a) => ({ value: a, label: a }))} aria-label={t("whose")} />
            </label>
          )}
          <Add of={p} />
          <Exclusions of={p} />
          <Company rules={p.data.company_rules ?? []} />
        </div>
      )}
    </Async>
  );
}

function Add({ of }: { of: { data: PrivacyOf; etag: string } }) {
  const t = useText();
  const change = useChangePrivacy(of);
  const [kind, setKind] = useState<Choice["kind"]>("address");
  const [value, setValue] = useState("");
  const choice = { kind, value: value.trim() };
  const preview = useMutation({ mutationFn: () => ok(api.POST("/api/v1/me/privacy/preview", { body: { account: of.data.account, choices: [choice] } })) });
  const reset = () => {
    preview.reset();
    change.reset();
  };
  const add = () =>
    change.mutate(
      { add: [choice] },
      {
        onSuccess: () => {
          setValue("");
          preview.reset();
        },
      },
    );
  return (
    <Panel title={t("add")}>
      <p className="muted my-hint">{t("addHint")}</p>
      <form
        className="my-add"
        onSubmit={(e) => {
          e.preventDefault();
          if (choice.value) add();
        }}
      >
        <label>
          <span>{t("kind")}</span>
          <Select
            aria-label={t("kind")}
            value={kind}
            onChange={(k: Choice["kind"]) => {
              setKind(k);
              reset();
            }}
            options={kinds.map((k) => ({ value: k, label: t(`kind.${k}`) }))}
          />
        </label>
        <label>
          <span>{t("value")}</span>
          <Input
            value={value}
            maxLength={500}
            placeholder={t(`example.${kind}`)}
            onChange={(e) => {
              setValue(e.target.value);
              reset();
            }}
          />
        </label>
        <Button icon={<EyeOutlined aria-hidden />} disabled={!choice.value} loading={preview.isPending} onClick={() => preview.mutate()}>
          {t("preview")}
        </Button>
        <Button type="primary" htmlType="submit" icon={<PlusOutlined aria-hidden />} disabled={!choice.value} loading={change.isPending}>
          {t("addIt")}
        </Button>
      </form>
      <p className="muted small my-hint">{t(`kindHint.${kind}`)}</p>
      {preview.error && <Problem error={preview.error} />}
      {change.error && asProblem(change.error).status !== 412 && <Problem error={change.error} />}
      {preview.data && <Preview of={preview.data} />}
    </Panel>
  );
}

function Exclusions({ of }: { of: { data: PrivacyOf; etag: string } }) {
  const t = useText();
  const { remove, busy } = useRemove(of);
  const list = of.data.exclusions;
  return (
    <Panel title={t("exclusions", { n: list.length })} flush>
      {list.length ? (
        <ul className="plain-list">
          {list.map((c) => {
            const label = `${t(`kind.${c.kind}`)}${t("colon")}${c.value}`;
            return (
              <li key={`${c.kind} ${c.value}`}>
                <div className="grow">
                  <div className="my-subject">
                    <span className="muted">{t(`kind.${c.kind}`)}</span>{" "}
                    <strong>
                      <bdi>{c.value}</bdi>
                    </strong>
                  </div>
                  {c.since && <span className="muted small">{t.rich("since", { time: <Time at={c.since} /> })}</span>}
                </div>
                <Button size="small" icon={<DeleteOutlined aria-hidden />} aria-label={t("remove", { what: label })} loading={busy === `${c.kind} ${c.value}`} onClick={() => void remove(c, label)}>
                  {t("removeShort")}
                </Button>
              </li>
            );
          })}
        </ul>
      ) : (
        <Empty title={t("noExclusions")}>{t("noExclusionsHint")}</Empty>
      )}
    </Panel>
  );
}

function Company({ rules }: { rules: string[] }) {
  const t = useText();
  return (
    <Panel title={t("company")}>
      <p className="muted my-hint">{t("companyHint")}</p>
      {rules.length > 0 ? (
        <ol className="my-rules">
          {rules.map((r) => (
            <li key={r}>
              <bdi>{r}</bdi>
            </li>
          ))}
        </ol>
      ) : (
        <p className="muted my-hint">{t("noCompany")}</p>
      )}
    </Panel>
  );
}
