import type { ReactNode } from "react";
import { useText } from "./texts";
import type { Setting } from "./tree";
import { useWords } from "./words";

/** A value to read. */
export function Value({ setting, value, id }: { setting: Pick<Setting, "type" | "set" | "from">; value: unknown; id?: string }) {
  const t = useText();
  const words = useWords();
  let text: ReactNode;
  if (setting.type === "secret") text = setting.set ? t("secretSet") : t("secretNotSet");
  else if (typeof value === "boolean") text = value ? t("on") : t("off");
  else if (Array.isArray(value)) text = value.length ? value.map((v) => (typeof v === "object" ? "…" : words.option(String(v)))).join(t("comma")) : t("empty");
  else if (value && typeof value === "object") text = Object.entries(value).map(([k, v]) => `${k}: ${String(v)}`).join(t("comma")) || t("empty");
  else if (value === undefined || value === null || value === "") text = t("empty");
  else text = words.option(String(value));
  return (
    <output id={id} style={{ overflowWrap: "anywhere" }}>
      {text}
    </output>
  );
}
