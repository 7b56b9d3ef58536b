// What is wrong, at the place where it is, with what was probably meant one click away.
import { BulbOutlined, ExclamationCircleFilled, WarningFilled } from "@ant-design/icons";
import { Button } from "antd";
import { useEditor, useProblems, useWords, type Problem } from "./editor";
import { asText, get, set, type Obj, type Path } from "./json";
import { still } from "@/app/look";
import { useText } from "../texts";

const unescape = (s: string) => s.replaceAll("~1", "/").replaceAll("~0", "~");

/** The path of a pointer into this rule: numbers where there are lists. */
export function pathAt(rule: Obj, pointer: string): Path {
  const out: (string | number)[] = [];
  for (const raw of pointer.split("/").slice(1)) {
    const key = unescape(raw);
    out.push(Array.isArray(get(rule, out)) ? Number(key) : key);
  }
  return out;
}

export function ProblemLine({ problem: p }: { problem: Problem }) {
  const t = useText();
  const words = useWords();
  const { rule, change, readOnly } = useEditor();
  const path = pathAt(rule, p.pointer);
  const there = get(rule, path);
  const fits = p.suggestion && !p.missing && typeof there === "string" && !there.includes("\n");
  const fix = () => change((r) => set(r, path, there === asText(there) && there.includes("{{") && p.suggestion && !p.suggestion.includes("{{") ? replaced(asText(there), words(p.text), p.suggestion) : p.suggestion));
  return (
    <div className="rd-problem" data-severity={p.severity}>
      {p.severity === "error" ? <ExclamationCircleFilled aria-label={t("error")} /> : <WarningFilled aria-label={t("warning")} />}
      <span>
        {words(p.text)}
        {p.line !== undefined && <span className="muted"> {t("lineAt", { line: p.line, column: p.column ?? 1 })}</span>}
      </span>
      {fits && !readOnly && (
        <Button size="small" type="link" icon={<BulbOutlined aria-hidden />} onClick={fix}>
          {t("meant", { what: p.suggestion! })}
        </Button>
      )}
    </div>
  );
}

/** In a template only the wrong name is replaced: the one that the message quotes. */
function replaced(template: string, text: string, suggestion: string) {
  const wrong = [...text.matchAll(/[\w.]+/g)].map((m) => m[0]).sort((a, b) => b.length - a.length).find((w) => w !== suggestion && template.includes(w));
  return wrong ? template.replace(wrong, suggestion) : template;
}

/** The problems of a place; deep: and of what lies below it, where nothing below shows its own. */
export function Problems({ at, deep = true, id }: { at: Path; deep?: boolean; id?: string }) {
  const list = useProblems(at, deep);
  if (!list.length) return null;
  return (
    <div className="rd-problems" id={id} role="status">
      {list.map((p, i) => (
        <ProblemLine key={p.pointer + p.code + i} problem={p} />
      ))}
    </div>
  );
}

/** Goes to the place of a problem. */
export function jump(p: Problem) {
  const pointer = p.missing ? `${p.pointer}/${p.missing}` : p.pointer;
  for (let at = pointer; ; at = at.slice(0, at.lastIndexOf("/"))) {
    const place = document.querySelector<HTMLElement>(`[data-at="${CSS.escape(at)}"]`);
    if (place) {
      place.scrollIntoView({ block: "center", behavior: still() ? "auto" : "smooth" });
      place.querySelector<HTMLElement>("input, textarea, [contenteditable=true], button, select")?.focus({ preventScroll: true });
      place.classList.add("rd-flash");
      setTimeout(() => place.classList.remove("rd-flash"), 1600);
      return;
    }
    if (!at) return;
  }
}
