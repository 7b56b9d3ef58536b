// The rule itself: its name, what it is for, who answers for it.
import { DownOutlined, RightOutlined } from "@ant-design/icons";
import { Button, Input } from "antd";
import { useState } from "react";
import { concerns, useEditor, usePlace } from "./editor";
import { asText, pointer } from "./json";
import { Param } from "./Params";
import { Problems } from "./problems";
import { useText } from "../texts";

export function About() {
  const t = useText();
  const { vocab, readOnly, problems } = useEditor();
  const [name, setName] = usePlace(["name"]);
  const [owner] = usePlace(["owner"]);
  const wrong = problems.some((p) => ["owner", "description", "contact", "calendar"].some((k) => concerns(p, [k])));
  const [open, setOpen] = useState(false);
  const shown = open || wrong;
  return (
    <section className="rd-about" aria-label={t("about")}>
      <div data-at={pointer(["name"])}>
        <Input className="rd-name" variant="borderless" aria-label={t("ruleName")} placeholder={t("ruleName")} disabled={readOnly} value={asText(name)} maxLength={200} onChange={(e) => setName(e.target.value)} />
        <Problems at={["name"]} />
        <Problems at={[]} deep={false} />
      </div>
      <Button type="link" size="small" className="rd-more" icon={shown ? <DownOutlined aria-hidden /> : <RightOutlined aria-hidden />} aria-expanded={shown} onClick={() => setOpen(!open)}>
        {t("aboutMore", { owner: asText(owner) || "–" })}
      </Button>
      {shown && (
        <div className="rd-card rd-params">
          {vocab.rule.filter((p) => p.name !== "id" && p.name !== "name").map((p) => (
            <Param key={p.name} param={p} at={[p.name]} of={[]} kind="rule" />
          ))}
        </div>
      )}
    </section>
  );
}
