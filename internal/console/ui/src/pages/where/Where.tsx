// "Where is my mail?": one field in, the story of a mail out.
import { SearchOutlined } from "@ant-design/icons";
import { Button, Input } from "antd";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { Head } from "@/kit";
import { Answer } from "./Answer";
import { asked } from "./ask";
import { useText } from "./texts";
import "./where.css";

export default function Where() {
  const t = useText();
  const [params, setParams] = useSearchParams();
  const q = params.get("q") ?? "";
  const at = params.get("at") ?? "";
  const id = params.get("message_id") ?? "";
  const entry = params.get("entry") ?? "";
  const shown = q || (id && `<${id}>`);
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <Ask key={`${shown} ${at}`} q={shown} at={at} go={(next) => setParams(next)} />
      {(q || id || entry) && <Answer what={entry ? { kind: "entry", text: entry } : id ? { kind: "id", text: id } : asked(q)} at={at} />}
      {!q && !id && !entry && <Hints />}
    </>
  );
}

function Ask({ q, at, go }: { q: string; at: string; go: (next: Record<string, string>) => void }) {
  const t = useText();
  const [text, setText] = useState(q);
  const submit = (form: HTMLFormElement) => {
    const when = String(new FormData(form).get("at") ?? "");
    if (text.trim()) go({ q: text.trim(), ...(when && { at: when }) });
  };
  return (
    <form
      className="where-ask panel"
      role="search"
      onSubmit={(e) => {
        e.preventDefault();
        submit(e.currentTarget);
      }}
    >
      <label className="where-what">
        <span>{t("what")}</span>
        <Input.TextArea
          value={text}
          onChange={(e) => setText(e.target.value)}
          autoSize={{ minRows: 1, maxRows: 8 }}
          maxLength={20000}
          placeholder={t("whatHint")}
          onPressEnter={(e) => {
            if (e.shiftKey || e.nativeEvent.isComposing) return;
            e.preventDefault();
            submit(e.currentTarget.form!);
          }}
        />
      </label>
      <label>
        <span>{t("when")}</span>
        <Input type="datetime-local" name="at" defaultValue={at} />
      </label>
      <Button type="primary" htmlType="submit" icon={<SearchOutlined aria-hidden />} disabled={!text.trim()}>
        {t("find")}
      </Button>
    </form>
  );
}

function Hints() {
  const t = useText();
  return (
    <div className="where-hints">
      {(["id", "address", "words", "head"] as const).map((k) => (
        <div key={k} className="panel">
          <h2>{t(`hint.${k}`)}</h2>
          <p className="muted">{t(`hint.${k}.text`)}</p>
        </div>
      ))}
    </div>
  );
}
