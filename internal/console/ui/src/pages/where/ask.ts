// What somebody means who asks for a mail: a Message-ID, an address, words of the subject, or the whole head of a mail.

export interface Asked {
  kind: "id" | "address" | "either" | "entry" | "words" | "nothing";
  text: string;
  /** Out of a pasted head: whose mail it is, and when it was sent. */
  from?: string;
  to?: string;
  date?: string;
}

const address = /[^\s@<>,;:"'()[\]]+@[^\s@<>,;:"'()[\]]+\.[^\s@<>,;:"'()[\]]+/;
const header = (text: string, name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(text)?.[1]?.trim();

function head(text: string): Asked | undefined {
  const unfolded = text.replace(/\r\n/g, "\n").replace(/\n[ \t]+/g, " ");
  const id = header(unfolded, "message-id");
  const subject = header(unfolded, "subject");
  if (!id && !(subject && header(unfolded, "from"))) return undefined;
  const date = new Date(header(unfolded, "date") ?? "");
  const more = {
    from: address.exec(header(unfolded, "from") ?? "")?.[0].toLowerCase(),
    to: address.exec(header(unfolded, "to") ?? "")?.[0].toLowerCase(),
    date: Number.isNaN(date.getTime()) ? undefined : date.toISOString(),
  };
  const found = id && /<?([^\s<>]+)>?/.exec(id)?.[1];
  return found ? { kind: "id", text: found, ...more } : { kind: "words", text: subject ?? "", ...more };
}

export function asked(input: string): Asked {
  const text = input.trim();
  if (!text) return { kind: "nothing", text };
  const whole = head(text);
  if (whole) return whole;
  const bracketed = /^(?:message-id:\s*)?<([^\s<>]+)>$/i.exec(text);
  if (bracketed) return { kind: "id", text: bracketed[1]! };
  if (/^[0-9A-HJKMNP-TV-Z]{26}$/i.test(text)) return { kind: "entry", text };
  const named = /^[^<>]*<([^\s<>]+@[^\s<>]+)>$/.exec(text);
  if (named) return { kind: "address", text: named[1]!.toLowerCase() };
  if (/^[^\s@<>]+@[^\s@<>]+$/.test(text)) return { kind: "either", text };
  return { kind: "words", text };
}

/** A local time of a datetime-local input as the API wants it. */
export function instant(local: string): string | undefined {
  if (!local) return undefined;
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** The day before and after: when one only knows about when. */
export function around(at: string | undefined): { since?: string; until?: string } {
  if (!at) return {};
  const ms = new Date(at).getTime();
  return { since: new Date(ms - 86_400_000).toISOString(), until: new Date(ms + 86_400_000).toISOString() };
}
