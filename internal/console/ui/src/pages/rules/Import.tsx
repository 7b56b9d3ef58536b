// Rules from YAML: first what would become of each, then the taking.
import { UploadOutlined } from "@ant-design/icons";
import { Button, Input, Modal, Upload } from "antd";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, ok } from "@/api/client";
import { Problem, State } from "@/kit";
import { useText } from "./texts";

export function Import({ close }: { close: () => void }) {
  const t = useText();
  const go = useNavigate();
  const client = useQueryClient();
  const [yaml, setYaml] = useState("");
  const look = useMutation({ mutationFn: (text: string) => ok(api.POST("/api/v1/rules/import", { body: { yaml: text, state: "keep", dry_run: true } })) });
  const take = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/rules/import", { body: { yaml, state: "keep", dry_run: false } })),
    onSuccess: (r) => {
      void client.invalidateQueries({ queryKey: ["rules"] });
      const only = r.items.length === 1 ? r.items[0] : undefined;
      if (r.done) void go(only ? `/rules/${only.id}` : "/rules");
    },
  });
  const found = take.data ?? look.data;
  const bad = found?.items.some((i) => i.action === "invalid");
  const set = (text: string) => {
    setYaml(text);
    look.reset();
    take.reset();
  };
  return (
    <Modal
      open
      title={t("importYaml")}
      width={640}
      onCancel={close}
      footer={
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={close}>{t("cancel")}</Button>
          {look.data && !bad ? (
            <Button type="primary" loading={take.isPending} onClick={() => take.mutate()}>
              {t("importTake", { n: look.data.items.length })}
            </Button>
          ) : (
            <Button type="primary" disabled={!yaml.trim()} loading={look.isPending} onClick={() => look.mutate(yaml)}>
              {t("importLook")}
            </Button>
          )}
        </div>
      }
    >
      <p className="muted" style={{ marginTop: 0 }}>
        {t("importHint")}
      </p>
      <Upload
        accept=".yaml,.yml,.txt"
        showUploadList={false}
        beforeUpload={(file) => {
          void file.text().then(set);
          return false;
        }}
      >
        <Button icon={<UploadOutlined aria-hidden />}>{t("chooseFile")}</Button>
      </Upload>
      <Input.TextArea aria-label={t("importYaml")} className="mono" style={{ marginTop: 8 }} autoSize={{ minRows: 6, maxRows: 16 }} value={yaml} onChange={(e) => set(e.target.value)} placeholder={"id: …\nname: …"} />
      {(look.error ?? take.error) && <Problem error={look.error ?? take.error} style={{ marginTop: 12 }} />}
      {found && (
        <ul className="plain-list" style={{ marginTop: 8 }}>
          {found.items.map((i) => (
            <li key={i.id}>
              <div className="grow">
                <strong>{i.name ?? i.id}</strong>
                {i.problems.map((p, n) => (
                  <div key={n} className="rd-problem" data-severity={p.severity}>
                    {p.text[t.lang]}
                  </div>
                ))}
              </div>
              <State tone={i.action === "invalid" ? "bad" : i.action === "unchanged" ? "plain" : "good"}>{t(`import.${i.action}`)}</State>
            </li>
          ))}
        </ul>
      )}
    </Modal>
  );
}
