// Links in mail lead past a page of ours that shows the real address; see LinkPage.tsx and internal/console/api/mail/html.go.

export interface Piece {
  text: string;
  url?: string;
}

const address = /https?:\/\/[^\s<>"'`\u3000-\u303f\uff00-\uffef]+/gi;

/** A text in pieces: words, and addresses of the web. What ends a sentence ends the address. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = [];
  let end = 0;
  for (const m of text.matchAll(address)) {
    const url = m[0].replace(/[.,;:!?)\]}]+$/, "");
    if (!target(url)) continue;
    if (m.index > end) out.push({ text: text.slice(end, m.index) });
    out.push({ text: url, url });
    end = m.index + url.length;
  }
  if (end < text.length) out.push({ text: text.slice(end) });
  return out;
}

export const linkTo = (url: string) => `/link#${encodeURIComponent(url)}`;

/** Where a link leads, or nothing where it is none that a person may follow. */
export function target(text: string): URL | undefined {
  try {
    const url = new URL(text);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}

/** The address that stands behind the # of the page of links. */
export function fromHash(hash: string): URL | undefined {
  try {
    return target(decodeURIComponent(hash.replace(/^#/, "")));
  } catch {
    return undefined;
  }
}
