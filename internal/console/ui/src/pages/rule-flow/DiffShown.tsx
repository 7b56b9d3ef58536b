// How two versions of a rule differ, in words; the text of both for who wants to see each character.
import { EditOutlined, MinusCircleOutlined, PlusCircleOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { Async, Empty } from "@/kit";
import { Said } from "./Said";
import { useText } from "./texts";
import { say } from "./words";
import "./flow.css";

type Change = Schemas["automation"]["Change"];
type Diff = Schemas["automation"]["Diff"];

export function DiffShown({ id, from, to }: { id: string; from: string; to: string }) {
  const t = useText();
  const diff = useQuery({
    queryKey: ["rule-flow", id, "diff", from, to],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/rules/{id}/diff", { params: { path: { id }, query: { from, to } }, signal })),
  });
  return (
    <Async query={diff} empty={(d) => d.equal && <Empty title={t("diff.equal")} />}>
      {(d) => (
        <>
          {say(d.from_words, t.lang) !== say(d.to_words, t.lang) && (
            <ul className="changes" aria-label={t("diff.inShort")}>
              <li data-kind="changed">
                <EditOutlined aria-hidden />
                <div>
                  <strong>{t("diff.inShort")}</strong>
                  <del>
                    <Said text={say(d.from_words, t.lang)} />
                  </del>
                  <ins>
                    <Said text={say(d.to_words, t.lang)} />
                  </ins>
                </div>
              </li>
            </ul>
          )}
          <ul className="changes" aria-label={t("diff.changes")}>
            {d.changes.map((c, i) => (
              <ChangeShown key={i} change={c} />
            ))}
          </ul>
          <Lines lines={d.lines} />
        </>
      )}
    </Async>
  );
}

const icons = { added: <PlusCircleOutlined aria-hidden />, removed: <MinusCircleOutlined aria-hidden />, changed: <EditOutlined aria-hidden /> };

function ChangeShown({ change: c }: { change: Change }) {
  const t = useText();
  // The sentence of a change of a value has it at its end, cut short; it stands below in full.
  const said = say(c.text, t.lang);
  const before = c.kind === "added" ? undefined : shown(c.before, say(c.before_words, t.lang));
  const after = c.kind === "removed" ? undefined : shown(c.after, say(c.after_words, t.lang));
  const full = c.kind === "changed" ? before !== undefined && after !== undefined : (before ?? after) !== undefined;
  return (
    <li data-kind={c.kind}>
      {icons[c.kind]}
      <div>
        <Said text={full ? said.replace(verb, "$1") : said} />
        {full && before !== undefined && (
          <del>
            <span className="unseen">{t("diff.before")} </span>
            <Said text={before} />
          </del>
        )}
        {full && after !== undefined && (
          <ins>
            <span className="unseen">{t("diff.after")} </span>
            <Said text={after} />
          </ins>
        )}
      </div>
    </li>
  );
}

// What stands before the value in the sentence of a change.
const verb = /^(.*? (?:修改|新增|删除|changed|added|removed))[：:].*$/s;

/** A value that can be told in a line or a list of such; what is more than that stands in the text of both versions. */
function shown(value: unknown, words: string): string | undefined {
  if (words) return words;
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.every((v) => typeof v !== "object") ? value.join("\n") : undefined;
  return typeof value === "object" ? undefined : String(value);
}

function Lines({ lines }: { lines: Diff["lines"] }) {
  const t = useText();
  if (!lines?.length) return null;
  return (
    <details style={{ marginTop: 12 }}>
      <summary>{t("diff.lines")}</summary>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by keyboard */}
      <pre className="lines" tabIndex={0} aria-label={t("diff.lines")}>
        {lines.map((l, i) => (
          <span key={i} data-line={l[0] === "-" || l[0] === "+" ? l[0] : undefined}>
            {l}
          </span>
        ))}
      </pre>
    </details>
  );
}
