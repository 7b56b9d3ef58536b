// The designer of one rule: WHEN, IF, THEN in a calm column; beside it what it does in words, and what is wrong.
import { ExperimentOutlined, RedoOutlined, SafetyOutlined, SaveOutlined, UndoOutlined } from "@ant-design/icons";
import { Alert, Button, Tooltip } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Async, Problem, State, Time, useUnsaved } from "@/kit";
import { Said } from "@/pages/rule-flow/Said";
import { About } from "./About";
import { Condition } from "./Condition";
import { Conflict } from "./Conflict";
import { EditorProvider, useHistory, type Editor, type Vocabulary } from "./editor";
import { Guards } from "./Guards";
import { asObj, same, type Obj } from "./json";
import { jump, ProblemLine } from "./problems";
import { Publish } from "./Publish";
import { Steps } from "./Steps";
import { Trigger } from "./Trigger";
import { Try } from "./Try";
import { useCheck } from "./useCheck";
import { useFieldsOf } from "./useFieldsOf";
import { useKept } from "./useKept";
import { useSaveDraft } from "./useSaveDraft";
import { useText } from "../texts";
import "../rules.css";

type Rule = Schemas["automation"]["Rule"];
export interface Loaded {
  data: Rule;
  etag: string;
}

export default function Design({ id, loaded }: { id: string; loaded: Loaded }) {
  const vocab = useQuery({ queryKey: ["rule-vocabulary"], queryFn: ({ signal }) => ok(api.GET("/api/v1/rules/vocabulary", { signal })), staleTime: 300_000 });
  return <Async query={vocab}>{(v) => <Designer key={id} id={id} loaded={loaded} vocab={v as Vocabulary} />}</Async>;
}

function Designer({ id, loaded, vocab }: { id: string; loaded: Loaded; vocab: Vocabulary }) {
  const t = useText();
  const may = useMay();
  const history = useHistory(loaded.data.rule as Obj);
  const { rule, change, undo, redo, load } = history;
  const draft = useSaveDraft(id, loaded, rule, load);
  const unsaved = !same(rule, draft.base);
  const kept = useKept(id, rule, unsaved, draft.base);
  const check = useCheck(rule);
  const fields = useFieldsOf(rule, vocab);
  const [drawer, setDrawer] = useState<"guards" | "try">();
  const [publishing, setPublishing] = useState(false);
  const readOnly = !may("rules.write");
  useUnsaved(unsaved && !readOnly);

  const problems = useMemo(() => check.result?.problems ?? [], [check.result]);
  const editor = useMemo<Editor>(() => ({ rule, change, undo, redo, vocab, problems, readOnly, fields }), [rule, change, undo, redo, vocab, problems, readOnly, fields]);
  const errors = problems.filter((p) => p.severity === "error").length;

  const guards = Object.keys(asObj(rule.guards)).length;

  const { save } = draft;
  const onKey = useCallback(
    (e: KeyboardEvent) => {
      if (!(e.ctrlKey || e.metaKey) || readOnly) return;
      const typing = e.target instanceof HTMLElement && e.target.closest("input, textarea, [contenteditable=true]");
      const key = e.key.toLowerCase();
      if (key === "s") void save().catch(() => undefined);
      else if (typing) return; // there the browser's own undo is meant
      else if (key === "z" && !e.shiftKey) undo();
      else if (key === "y" || (key === "z" && e.shiftKey)) redo();
      else return;
      e.preventDefault();
    },
    [save, undo, redo, readOnly],
  );
  useEffect(() => {
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [onKey]);

  return (
    <EditorProvider value={editor}>
      <div className="rd">
        <div className="rd-bar" role="toolbar" aria-label={t("toolbar")}>
          {!readOnly && (
            <>
              <Tooltip title={`${t("undo")} Ctrl+Z`}>
                <Button type="text" icon={<UndoOutlined aria-hidden />} aria-label={t("undo")} disabled={!history.canUndo} onClick={undo} />
              </Tooltip>
              <Tooltip title={`${t("redo")} Ctrl+Y`}>
                <Button type="text" icon={<RedoOutlined aria-hidden />} aria-label={t("redo")} disabled={!history.canRedo} onClick={redo} />
              </Tooltip>
            </>
          )}
          <span role="status" className="rd-status">
            {readOnly ? <State>{t("readOnly")}</State> : unsaved ? <State tone="warn">{t("unsaved")}</State> : <State tone="good">{t("saved")}</State>}
          </span>
          <span className="grow" />
          <Button icon={<SafetyOutlined aria-hidden />} onClick={() => setDrawer("guards")} aria-label={guards ? `${t("guards")} ${guards}` : t("guards")}>
            <span className="wide-only">{t("guards")} </span>
            {guards > 0 && <span className="rd-badge">{guards}</span>}
          </Button>
          <Button icon={<ExperimentOutlined aria-hidden />} onClick={() => setDrawer("try")}>
            {t("try")}
          </Button>
          {!readOnly && (
            <Button icon={<SaveOutlined aria-hidden />} disabled={!unsaved} loading={draft.saving} onClick={() => void save().catch(() => undefined)}>
              {t("saveDraft")}
            </Button>
          )}
          {may("rules.publish") && (
            <Button type="primary" onClick={() => setPublishing(true)}>
              {t("publish")}
            </Button>
          )}
        </div>
        {kept.left && !readOnly && (
          <Alert
            type="info"
            showIcon
            style={{ marginBottom: 12 }}
            title={t.rich("keptHere", { time: <Time at={kept.left.at} /> })}
            action={
              <div className="row">
                <Button size="small" type="primary" onClick={() => { change(() => kept.left!.rule); kept.forget(); }}>
                  {t("restore")}
                </Button>
                <Button size="small" onClick={kept.forget}>
                  {t("discard")}
                </Button>
              </div>
            }
          />
        )}
        {draft.error !== undefined && <Problem error={draft.error} style={{ marginBottom: 12 }} />}
        <div className="rd-page">
          <div className="rd-column">
            <About />
            <Trigger />
            <section className="rd-part" data-at="/when" aria-labelledby="rd-if">
              <header>
                <h2 id="rd-if">
                  <span className="rd-word">{t("if")}</span>
                  {t("ifHint")}
                </h2>
              </header>
              <div className="rd-card">
                <Condition at={["when"]} label={t("if")} />
              </div>
            </section>
            <section className="rd-part" aria-labelledby="rd-then">
              <header>
                <h2 id="rd-then">
                  <span className="rd-word">{t("then")}</span>
                  {t("thenHint")}
                </h2>
              </header>
              <Steps at={["steps"]} />
            </section>
          </div>
          <aside className="rd-side">
            <section aria-labelledby="rd-words">
              <h2 id="rd-words">{t("inWords")}</h2>
              <p className="rd-sentence" aria-live="polite" aria-busy={check.checking}>
                <Said text={check.result?.words?.[t.lang] ?? t("notYet")} />
              </p>
            </section>
            <section aria-labelledby="rd-problems">
              <h2 id="rd-problems">{t("problems")}</h2>
              {check.error ? (
                <Problem error={check.error} />
              ) : problems.length ? (
                <>
                  <p className="muted small">{errors ? t("errorsBlock", { n: errors }) : t("onlyWarnings")}</p>
                  <ul className="rd-list">
                    {problems.map((p, i) => (
                      <li key={p.pointer + p.code + i}>
                        <ProblemLine problem={p} />
                        <Button size="small" type="link" onClick={() => jump(p)}>
                          {t("goThere")}
                        </Button>
                      </li>
                    ))}
                  </ul>
                </>
              ) : (
                <State tone={check.result ? "good" : "plain"}>{check.result ? t("noProblems") : t("checking")}</State>
              )}
            </section>
          </aside>
        </div>
      </div>
      <Guards open={drawer === "guards"} close={() => setDrawer(undefined)} />
      <Try open={drawer === "try"} close={() => setDrawer(undefined)} />
      {publishing && <Publish rule={draft.rule} errors={errors} save={save} unsaved={unsaved} etag={draft.etag} took={draft.took} close={() => setPublishing(false)} />}
      {draft.conflict && <Conflict theirs={draft.conflict} settle={draft.settle} mine={rule} base={draft.base} />}
    </EditorProvider>
  );
}
