// What can be chosen by name: connections, types of records and their fields, senders, steps …
import { useLang } from "@/lang";
import { useEditor, type Parameter } from "./editor";
import { fieldLabel, numbered, stepTitle } from "./facts";
import { asObj, asText, get, pointer, type Path } from "./json";

export interface Option {
  value: string;
  label: string;
}

export function useNames({ param, at, of }: { param: Parameter; at: Path; of: Path }): { options: Option[]; fallback?: string } {
  const { vocab, rule, fields } = useEditor();
  const lang = useLang();
  const here = asObj(get(rule, of));
  const trigger = asObj(rule.trigger);
  // A change of "the record" is one of what started the rule.
  const target = asText(here.target) || asText(trigger.target) || (vocab.targets.find((t) => t.default) ?? vocab.targets[0])?.name || "";
  const named = (list: { name: string; label?: { zh: string; en: string }; default?: boolean }[]) => ({
    options: list.map((x) => ({ value: x.name, label: x.label?.[lang] ?? x.name })),
    fallback: list.find((x) => x.default)?.name,
  });
  switch (param.type) {
    case "target":
      return { options: vocab.targets.map((t) => ({ value: t.name, label: t.type === "builtin" && t.name === "builtin" ? (lang === "zh" ? "内置 CRM" : "Built-in CRM") : t.name })) };
    case "record_type":
      return { options: (vocab.targets.find((t) => t.name === target)?.objects ?? []).map((o) => ({ value: o.name, label: o.label ? o.label[lang] : o.name })) };
    case "field":
    case "fields":
      return { options: (fields(target, asText(here.object) || asText(trigger.object)) ?? []).map((f) => ({ value: f.name, label: fieldLabel(f, lang) })) };
    case "notifier":
      return named(vocab.notifiers);
    case "hook":
      return named(vocab.hooks);
    case "call":
      return named(vocab.calls);
    case "calendar":
      return named(vocab.calendars);
    case "sender":
      return named(vocab.senders);
    case "table":
      return named(vocab.tables);
    case "step": {
      const me = pointer(at);
      return { options: numbered(rule).filter((s) => !me.startsWith(`${pointer(s.path)}/`)).map((s) => ({ value: s.id, label: `${s.n} ${stepTitle(vocab, s.kind, lang)}` })) };
    }
  }
  return { options: [] };
}
