// A new rule: empty, from an example that comes with the program, or from a file.
import { FileAddOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Form, Input, Modal, Segmented } from "antd";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useSession } from "@/app/session";
import { ApiForm, Async, Head, Panel, Problem } from "@/kit";
import { Said } from "@/pages/rule-flow/Said";
import { Icon } from "./design/icons";
import { Import } from "./Import";
import { newId } from "./state";
import { useText } from "./texts";
import "./rules.css";

type Auto = Schemas["automation"];

export default function New() {
  const t = useText();
  const go = useNavigate();
  const { person } = useSession();
  const [naming, setNaming] = useState(false);
  const [importing, setImporting] = useState(false);
  const [kind, setKind] = useState("");
  const examples = useQuery({ queryKey: ["rule-examples"], queryFn: ({ signal }) => ok(api.GET("/api/v1/rule-examples", { signal })), staleTime: 300_000 });
  const create = async (rule: Auto["RuleBody"]) => {
    const made = await ok(api.POST("/api/v1/rules", { body: { rule } }));
    void go(`/rules/${made.id}`);
  };
  const start = useMutation({
    mutationFn: async (name: string) => {
      const { rule, title } = await ok(api.GET("/api/v1/rule-examples/{example}", { params: { path: { example: name } } }));
      await create({ ...rule, id: newId(String(rule?.id ?? title)), owner: person?.email ?? "" });
    },
  });
  return (
    <>
      <Head
        title={t("newRule")}
        back={{ to: "/rules", title: t("title") }}
        actions={
          <>
            <Button icon={<FileAddOutlined aria-hidden />} onClick={() => setImporting(true)}>
              {t("importYaml")}
            </Button>
            <Button type="primary" icon={<PlusOutlined aria-hidden />} onClick={() => setNaming(true)}>
              {t("beginEmpty")}
            </Button>
          </>
        }
      >
        {t("newHint")}
      </Head>
      {start.error && <Problem error={start.error} style={{ marginBottom: 12 }} />}
      <Panel title={t("examples")}>
        <Async query={examples}>
          {({ items }) => {
            const kinds = [...new Set(items.map((e) => e.trigger.type))];
            return (
              <div className="stack">
                <div style={{ overflowX: "auto" }}>
                  <Segmented aria-label={t("trigger")} value={kind} onChange={setKind} options={[{ value: "", label: t("allExamples") }, ...kinds.map((k) => ({ value: k, label: t.any(`trigger.${k}`, k) }))]} />
                </div>
                <ul className="rd-examples" aria-label={t("examples")}>
                  {items.filter((e) => !kind || e.trigger.type === kind).map((e) => (
                    <li key={e.name}>
                      <button type="button" disabled={start.isPending} aria-busy={start.isPending && start.variables === e.name} onClick={() => start.mutate(e.name)}>
                        <span className="rd-flow" aria-hidden>
                          <span className="rd-icon" data-group="trigger">
                            <Icon of={e.trigger.type} trigger />
                          </span>
                          {[...new Set(e.steps ?? [])].slice(0, 4).map((s) => (
                            <span key={s} className="rd-icon">
                              <Icon of={s} />
                            </span>
                          ))}
                        </span>
                        <strong>{e.title}</strong>
                        <span className="muted">
                          <Said text={e.description ?? e.words?.[t.lang] ?? ""} />
                        </span>
                      </button>
                    </li>
                  ))}
                </ul>
              </div>
            );
          }}
        </Async>
      </Panel>
      <Modal open={naming} title={t("beginEmpty")} onCancel={() => setNaming(false)} footer={null} width={440} destroyOnHidden>
        <ApiForm<{ name: string }>
          requiredMark={false}
          onSubmit={({ name }) => create({ id: newId(name), name: name.trim(), owner: person?.email ?? "", trigger: { type: "mail" }, steps: [] })}
          footer={(busy) => (
            <Button type="primary" htmlType="submit" loading={busy}>
              {t("begin")}
            </Button>
          )}
        >
          <Form.Item name="name" label={t("nameQuestion")} rules={[{ required: true, whitespace: true, message: t("nameMissing") }]}>
            <Input maxLength={200} placeholder={t("nameExample")} />
          </Form.Item>
        </ApiForm>
      </Modal>
      {importing && <Import close={() => setImporting(false)} />}
    </>
  );
}
