// What a step does, in the few words that tell it from others of its kind.
import { useEditor } from "./editor";
import { useFactLabel } from "./facts";
import { asObj, asText, texts, type Obj, type Path } from "./json";
import { parse } from "./template";
import { useText } from "../texts";

export function Summary({ step }: { step: Obj; at: Path }) {
  const t = useText();
  const name = useFactLabel();
  const { vocab } = useEditor();
  const w = asObj(step.with);
  const plain = (s: string) => parse(s).map((p) => (p.kind === "text" ? p.text : p.kind === "field" ? `‹${name(p.path, true)}›` : "…")).join("").replace(/\s+/g, " ").trim();
  const object = (o: string) => vocab.targets.flatMap((x) => x.objects).find((x) => x.name === o)?.label?.[t.lang] ?? o;
  const parts = [
    texts(w.to).map(plain).join(", ") && `→ ${texts(w.to).map(plain).join(", ")}`,
    plain(asText(w.subject)) || plain(asText(w.title)),
    texts(w.approvers).join(", "),
    asText(w.object) && object(asText(w.object)),
    step.do === "wait" && asText(w.for),
    texts(w.add).join(", "),
    asText(w.channel),
    plain(asText(w.assignee)),
    step.when !== undefined && t("conditional"),
  ].filter(Boolean);
  return parts.length ? <span className="muted cut">{parts.slice(0, 3).join(" · ")}</span> : null;
}
