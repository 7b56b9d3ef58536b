// Rows of the record, their filters in the address, and what they say in words.
import { useMemo } from "react";
import type { Schemas } from "@/api/client";
import { useFilters } from "@/kit";
import { useText } from "./texts";

export type Row = Schemas["administration"]["AuditRow"];

export const outcomes = { allowed: "good", done: "good", refused: "warn", failed: "bad" } as const;

const none = { person: "", action: "", kind: "", object: "", outcome: "", via: "", from: "", to: "" };
export type AuditFilters = typeof none & { row: string };

export function useAuditFilters() {
  const [filters, setFilters] = useFilters({ ...none, row: "" });
  const query = useMemo(() => {
    const set = Object.fromEntries(Object.entries(filters).filter(([k, v]) => v && k in none)) as Partial<typeof none>;
    return {
      ...set,
      outcome: set.outcome as Row["outcome"] | undefined,
      via: set.via as Row["via"] | undefined,
      // Days of the person who asks, from their beginning to their end.
      from: set.from && new Date(`${set.from}T00:00:00`).toISOString(),
      to: set.to && new Date(new Date(`${set.to}T00:00:00`).getTime() + 86_400_000).toISOString(),
    };
  }, [filters]);
  return { filters, setFilters, query, any: Object.values(query).some(Boolean) };
}

/** Names a row in the address: its number, or what it counts, and when, so that it can be asked for again. */
export const nameOf = (r: Row) => `${r.seq ?? `${r.person ?? ""} ${r.action} ${r.object ?? ""}`}~${r.at}`;

/** Who did it. Who signs in is nobody yet; the row then tells who it became, or who it was tried as. */
export function whoOf(r: Row): string | undefined {
  const said = r.details?.email ?? r.details?.tried;
  return r.person ?? (typeof said === "string" ? said : undefined);
}

/** What it was done to: as it was called then, where it has a name. */
export function objectOf(r: Row): string | undefined {
  const name = r.details?.name;
  return typeof name === "string" ? name : r.object;
}

// Verbs that the names of operations and commands begin with.
const verbs = [
  "sign", "finish", "begin", "confirm", "set", "list", "get", "search", "create", "add", "change", "update", "save", "patch", "remove", "delete", "revoke", "disable", "enable", "invite",
  "reset", "end", "publish", "rollback", "retire", "hold", "release", "start", "cancel", "retry", "discard", "decide", "delegate", "send", "settle", "pause", "resume", "test", "check", "verify",
  "export", "import", "download", "withdraw", "restrict", "tag", "merge", "dismiss", "restore", "undo", "resync", "replay", "approve", "drop", "prune",
];

/** What was done, in words: by the whole name where we have a sentence for it, else by its verb. */
export function usePhrase() {
  const t = useText();
  return (row: Row) => {
    const whole = t.any(`action.${row.action}`, "");
    if (whole) return whole;
    const verb = verbs.find((v) => new RegExp(`(^|[ .])${v}([A-Z ]|$)`).test(row.action)) ?? "";
    const said = verb && t.any(`verb.${verb}`, "");
    const kind = row.kind ? t.any(`kind.${row.kind}`, row.kind) : row.action.replace(/^.*?([A-Z])/, "$1").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
    return said ? t("done", { verb: said, kind }) : row.action;
  };
}
