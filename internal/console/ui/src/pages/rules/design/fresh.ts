// A new step as people most likely want it.
import { freshId } from "./facts";
import { asList, asObj, asText, type Json, type Obj } from "./json";

export function freshStep(rule: Obj, kind: string, standard: string): Obj {
  const target = asText(asObj(rule.trigger).target) || standard;
  const id = freshId(rule, kind);
  const w = first(rule, kind, target);
  return { id, do: kind, ...(Object.keys(w).length && { with: w }) };
}

function first(rule: Obj, kind: string, target: string): Obj {
  const mail = asText(asObj(rule.trigger).type) === "mail";
  switch (kind) {
    case "reply":
      return { quote: true };
    case "branch":
      return { cases: [{ steps: [] }] };
    case "parallel":
      return { branches: [[], []] };
    case "for_each":
      return { steps: [] };
    case "approve":
      return { expires: "2 workdays" };
    case "wait":
      return { for: "1d" };
    case "create_ticket":
      return { ...(target && { target }), ...(mail && { subject: "{{.mail.subject}}", text: "{{.mail.unquoted}}", files: true }) };
    case "report":
      return { ...(target && { target }), outputs: ["html", "xlsx"] };
    case "document":
      return { blocks: [{ heading: "" }, { paragraph: mail ? "{{.mail.unquoted}}" : "" }] };
    case "find_records":
    case "create_record":
    case "assign_ticket":
      return target ? { target } : {};
  }
  return {};
}

/** A copy with ids of its own, for all steps inside it, and what it says about them. */
export function copyOf(rule: Obj, step: Obj): Obj {
  const renamed = new Map<string, string>();
  let so: Obj = rule;
  const collect = (v: Json | undefined) => {
    if (Array.isArray(v)) v.forEach(collect);
    else if (typeof v === "object" && v !== null) {
      if (typeof v.do === "string" && typeof v.id === "string") {
        const id = freshId(so, v.do);
        renamed.set(v.id, id);
        so = { ...so, steps: [...asList(so.steps), { id, do: v.do }] };
      }
      Object.values(v).forEach(collect);
    }
  };
  collect(step);
  const text = (s: string) => s.replace(/\bsteps\.(\w+)/g, (whole, id: string) => (renamed.has(id) ? `steps.${renamed.get(id)}` : whole));
  const copy = (v: Json | undefined): Json | undefined => {
    if (typeof v === "string") return text(v);
    if (Array.isArray(v)) return v.map((x) => copy(x) ?? null);
    if (typeof v !== "object" || v === null) return v;
    const out = Object.fromEntries(Object.entries(v).map(([k, x]) => [k, copy(x)]));
    if (typeof v.do === "string" && typeof v.id === "string") out.id = renamed.get(v.id);
    return out;
  };
  return copy(step) as Obj;
}
