// The text of a mail: quotes folded, signatures grey, addresses of the web as links that are shown before they are followed.
import { Fragment } from "react";
import type { Schemas } from "@/api/client";
import { linkTo, pieces } from "./links";
import { useText } from "./texts";

type Block = Schemas["mail"]["TextBlock"];

function Text({ children }: { children: string }) {
  return (
    <div className="words" dir="auto">
      {pieces(children).map((p, i) =>
        p.url ? (
          <a key={i} href={linkTo(p.url)} title={p.url} target="_blank" rel="noopener noreferrer nofollow">
            {p.text}
          </a>
        ) : (
          <Fragment key={i}>{p.text}</Fragment>
        ),
      )}
    </div>
  );
}

export function Words({ blocks }: { blocks: Block[] }) {
  const t = useText();
  return (
    <>
      {blocks.map((b, i) => {
        const text = b.text.replace(/^\n+|\s+$/g, "");
        if (!text) return null;
        if (b.quoted) {
          return (
            <details key={i} className="quoted">
              <summary>{t("quoted", { n: text.split("\n").length })}</summary>
              <Text>{text}</Text>
            </details>
          );
        }
        return (
          <div key={i} className={b.signature ? "signature" : undefined}>
            <Text>{text}</Text>
          </div>
        );
      })}
    </>
  );
}
