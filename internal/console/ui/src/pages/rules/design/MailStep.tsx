// The form of a mail: to whom, subject, text with fields, files; beside it how it will look.
import { EyeOutlined } from "@ant-design/icons";
import { Button, Segmented } from "antd";
import { useState } from "react";
import { usePlace, type Parameter } from "./editor";
import type { Path } from "./json";
import { MailPreview } from "./MailPreview";
import { Param, Params } from "./Params";
import { useText } from "../texts";

export function MailStep({ at, kind, params }: { at: Path; kind: string; params: Parameter[] }) {
  const t = useText();
  const w = [...at, "with"];
  const [html] = usePlace([...w, "html"]);
  const [text] = usePlace([...w, "text"]);
  const [body, setBody] = useState<"text" | "html">(html !== undefined && text === undefined ? "html" : "text");
  const [preview, setPreview] = useState(false);
  const find = (name: string) => params.find((p) => p.name === name);
  const bodyParam = find(body);
  return (
    <div className="rd-mail" data-preview={preview || undefined}>
      <div>
        <Params
          params={params.filter((p) => p.name !== "text" && p.name !== "html")}
          at={w}
          kind={kind}
          rest={
            bodyParam && (
              <div className="rd-mailbody">
                <div className="row">
                  <Segmented
                    size="small"
                    aria-label={t("bodyKind")}
                    value={body}
                    options={[
                      { value: "text", label: t("bodyText") },
                      { value: "html", label: html === undefined ? t("bodyHtml") : `${t("bodyHtml")} •` },
                    ]}
                    onChange={(v) => setBody(v as "text" | "html")}
                  />
                  <span className="grow" />
                  <Button size="small" icon={<EyeOutlined aria-hidden />} aria-expanded={preview} onClick={() => setPreview(!preview)}>
                    {t(preview ? "previewHide" : "preview")}
                  </Button>
                </div>
                <Param key={body} param={bodyParam} at={[...w, body]} of={w} kind={kind} />
              </div>
            )
          }
        />
      </div>
      {preview && <MailPreview at={at} />}
    </div>
  );
}
