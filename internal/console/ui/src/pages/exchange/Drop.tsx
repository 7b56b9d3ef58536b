import { CloudUploadOutlined } from "@ant-design/icons";
import { Button, Progress } from "antd";
import { useEffect, useRef, useState, type DragEvent } from "react";
import { useNavigate } from "react-router";
import { useQueryClient } from "@tanstack/react-query";
import { number, Problem, size } from "@/kit";
import { upload, type ImportKind, type ImportOptions } from "./data";
import { useText } from "./texts";

/** Takes a file by drop or choice, sends it, and opens the import that it becomes. */
export function Drop({ fields, options }: { fields: { kind: ImportKind; table?: string; target?: string }; options: ImportOptions }) {
  const t = useText();
  const go = useNavigate();
  const client = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const stop = useRef<AbortController>(undefined);
  const [over, setOver] = useState(false);
  const [sending, setSending] = useState<{ name: string; share: number }>();
  const [error, setError] = useState<unknown>();
  useEffect(() => () => stop.current?.abort(), []);

  const send = async (file: File | undefined) => {
    if (!file || sending) return;
    setError(undefined);
    if (file.size > options.max_bytes) return setError(new Error(t("tooBig", { size: size(options.max_bytes, t.lang) })));
    const control = new AbortController();
    stop.current = control;
    setSending({ name: file.name, share: 0 });
    try {
      // A new table is called like its file until somebody says otherwise.
      const table = fields.kind === "table" ? (fields.table ?? file.name.replace(/\.[^.]*$/, "")) : undefined;
      const made = await upload({ ...fields, table }, file, (share) => setSending({ name: file.name, share }), control.signal);
      void client.invalidateQueries({ queryKey: ["imports", "list"] });
      await go(`/exchange/imports/${encodeURIComponent(made.id)}`);
    } catch (e) {
      if (!control.signal.aborted) setError(e);
    } finally {
      setSending(undefined);
      if (input.current) input.current.value = "";
    }
  };
  const drop = (e: DragEvent) => {
    e.preventDefault();
    setOver(false);
    void send(e.dataTransfer.files[0]);
  };
  return (
    <>
      <div
        className="exchange-drop"
        data-over={over || undefined}
        onDragOver={(e) => {
          e.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        {sending ? (
          <>
            <strong>{sending.name}</strong>
            <Progress percent={Math.floor(sending.share * 100)} status="active" aria-label={t("sending")} style={{ maxWidth: 360 }} />
            <Button size="small" onClick={() => stop.current?.abort()}>
              {t("cancel")}
            </Button>
          </>
        ) : (
          <>
            <CloudUploadOutlined aria-hidden />
            <strong>{t("drop")}</strong>
            <span className="muted small">{t("dropHint", { size: size(options.max_bytes, t.lang), rows: number(options.max_rows, t.lang) })}</span>
            <Button type="primary" onClick={() => input.current?.click()}>
              {t("choose")}
            </Button>
          </>
        )}
        <input ref={input} type="file" hidden accept=".csv,.tsv,.txt,.xlsx,text/csv,application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" aria-label={t("choose")} onChange={(e) => void send(e.target.files?.[0])} />
      </div>
      {error !== undefined && <Problem error={error} />}
    </>
  );
}
