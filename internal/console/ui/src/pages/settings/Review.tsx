// The bar of changes at the foot of the page, and the list of them before anything is written.
import { Alert, App, Button, Modal } from "antd";
import { useState } from "react";
import { api, versioned, type Schemas } from "@/api/client";
import { ApiProblem, words as say } from "@/api/problem";
import { Copy, Problem } from "@/kit";
import type { Mistakes } from "./draft";
import { title } from "./Nodes";
import { useText } from "./texts";
import { changesIn, changesOf, noDraft, type Draft, type Setting } from "./tree";
import { Value } from "./Value";
import { useWords } from "./words";

type Settings = Schemas["administration"]["Settings"];
type Changed = Schemas["administration"]["SettingsChanged"];

interface Props {
  settings: Settings;
  etag: string;
  draft: Draft;
  setDraft: (d: Draft) => void;
  setMistakes: (m: Mistakes) => void;
  saved: () => Promise<void>;
  again: () => Promise<unknown>;
}

export function Review({ settings, etag, draft, setDraft, setMistakes, saved, again }: Props) {
  const t = useText();
  const words = useWords();
  const { notification } = App.useApp();
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [checked, setChecked] = useState<Changed>();
  const [error, setError] = useState<unknown>();
  const n = changesIn(draft);
  const names = (paths: string[]) => [...new Set(paths.map((p) => words.labelOf(p)))].join(t("comma"));

  const send = async (dry: boolean) => {
    setBusy(true);
    setError(undefined);
    try {
      const { data } = await versioned(api.PATCH("/api/v1/settings", { params: { header: { "If-Match": etag }, query: { dry_run: dry } }, body: { changes: changesOf(draft, settings.items) } }));
      setMistakes({});
      if (dry) return setChecked(data);
      setOpen(false);
      await saved();
      if (data.reload_error) notification.warning({ title: t("reloadFailed"), description: data.reload_error, duration: 0 });
      else notification.success({ title: t("saved"), description: data.restart.length ? t("savedRestart", { what: names(data.restart) }) : t("savedNow") });
    } catch (e) {
      setChecked(undefined);
      setError(e);
      if (e instanceof ApiProblem) setMistakes(Object.fromEntries(e.fields.map((f) => [f.pointer, [say(f, t.lang).detail, say(f, t.lang).remedy].filter(Boolean).join(" ")])));
    } finally {
      setBusy(false);
    }
  };
  const show = () => {
    setOpen(true);
    setChecked(undefined);
    void send(true); // what is wrong is said before anybody confirms
  };
  const drop = () => {
    setDraft(noDraft);
    setMistakes({});
  };
  return (
    <div className="settings-bar" role="region" aria-label={t("unsavedChanges")}>
      <strong role="status">{t("changes", { n })}</strong>
      <span className="grow" />
      <Button onClick={drop}>{t("dropAll")}</Button>
      <Button type="primary" onClick={show} aria-haspopup="dialog">
        {t("review")}
      </Button>
      <Modal
        open={open}
        onCancel={() => setOpen(false)}
        title={t("reviewTitle")}
        width={720}
        okText={t("write")}
        onOk={() => void send(false)}
        okButtonProps={{ loading: busy, disabled: !checked }}
        cancelText={t("goOn")}
      >
        <p style={{ marginTop: 0 }}>{t("reviewHint", { file: settings.file })}</p>
        <Changes draft={draft} items={settings.items} />
        {checked && (
          <Alert
            type={checked.restart.length ? "warning" : "success"}
            showIcon
            title={checked.restart.length ? t("needsRestart", { what: names(checked.restart) }) : t("takesEffect")}
            description={
              checked.yaml && (
                <details>
                  <summary>{t("lines")}</summary>
                  <pre className="mono small" style={{ overflowX: "auto", margin: "8px 0 0" }}>{checked.yaml}</pre>
                </details>
              )
            }
          />
        )}
        {error !== undefined && <Refused error={error} again={() => void again().then(() => send(true))} />}
      </Modal>
    </div>
  );
}

function Refused({ error, again }: { error: unknown; again: () => void }) {
  const t = useText();
  if (error instanceof ApiProblem && error.status === 412) {
    return <Alert type="warning" showIcon title={t("conflict")} description={t("conflictHint")} action={<Button onClick={again}>{t("loadTheirs")}</Button>} />;
  }
  if (error instanceof ApiProblem && error.code === "settings_not_writable") {
    const lines = error.detail.slice(error.detail.indexOf("\n\n") + 2);
    return (
      <>
        <Alert type="info" showIcon title={t("pasteTitle")} description={t("pasteHint")} style={{ marginBottom: 12 }} />
        <div className="snippet">
          <span className="small muted">{t("lines")}</span>
          <Copy text={lines.replace(/^\+/gm, "").replace(/^-.*\n?/gm, "")} label={t("copyLines")} />
          <pre className="mono">{lines}</pre>
        </div>
      </>
    );
  }
  return <Problem error={error} />;
}

/** Path by path: what it was, and what it will be. */
function Changes({ draft, items }: { draft: Draft; items: Setting[] }) {
  const t = useText();
  const words = useWords();
  const known = new Map(items.map((s) => [s.path, s]));
  return (
    <ul className="change-list">
      {Object.entries(draft.set).map(([path, value]) => {
        const s = known.get(path) ?? { path, key: path.replace(/\[\d+\]/g, "[]"), type: "text" as const, set: false, restart: false };
        return (
          <li key={path}>
            <strong>{words.label(s)}</strong> <code className="small muted">{path}</code>
            <div>
              {s.type === "secret" ? (
                value === null ? t("secretWillGo") : t("secretNew")
              ) : (
                <>
                  <del>
                    <Value setting={s} value={s.value ?? s.default} />
                  </del>
                  <span aria-label={t("becomes")}> → </span>
                  <ins>{value === null ? <>{t("theDefault")} <Value setting={s} value={s.default} /></> : <Value setting={s} value={value} />}</ins>
                </>
              )}
            </div>
          </li>
        );
      })}
      {draft.removed.map((path) => (
        <li key={path}>
          <strong>{words.labelOf(path)}</strong> <code className="small muted">{path}</code>
          <div>
            <del>{nameOf(items, path)}</del> {t("willBeRemoved")}
          </div>
        </li>
      ))}
      {draft.added.map((a, i) => (
        <li key={`${a.path} ${i}`}>
          <strong>{words.labelOf(a.path)}</strong>
          <div>
            <ins>{title(a.value)}</ins> {t("willBeAdded")}
          </div>
        </li>
      ))}
    </ul>
  );
}

function nameOf(items: Setting[], path: string) {
  const values = Object.fromEntries(items.filter((s) => s.path.startsWith(`${path}.`)).map((s) => [s.path.slice(path.length + 1), s.value]));
  return title(values) || path;
}
