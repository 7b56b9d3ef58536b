import { Fragment } from "react";

/** Text of the document: paragraphs, and `names` as code. */
export function Prose({ text, inline }: { text?: string; inline?: boolean }) {
  if (!text) return null;
  const marked = (line: string) =>
    line.split(/(`[^`]+`)/).map((piece, i) => (piece.startsWith("`") && piece.length > 2 ? <code key={i}>{piece.slice(1, -1)}</code> : <Fragment key={i}>{piece}</Fragment>));
  if (inline) return <span lang="en">{marked(text.trim())}</span>;
  return (
    <div lang="en">
      {text
        .trim()
        .split(/\n+/)
        .map((line, i) => (
          <p key={i} style={{ margin: "0 0 8px" }}>
            {marked(line)}
          </p>
        ))}
    </div>
  );
}
