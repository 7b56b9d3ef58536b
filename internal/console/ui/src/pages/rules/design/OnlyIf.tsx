// A step's own condition, and what its failure means for those behind it.
import { Button, Segmented } from "antd";
import { useState } from "react";
import { Condition } from "./Condition";
import { useEditor, usePlace } from "./editor";
import { pointer, type Path } from "./json";
import { useText } from "../texts";

export function OnlyIf({ at, outside }: { at: Path; outside: boolean }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [when] = usePlace([...at, "when"]);
  const [onError, setOnError] = usePlace([...at, "on_error"]);
  const [open, setOpen] = useState(false);
  const shown = when !== undefined || open;
  const errorShown = onError !== undefined || (open && outside);
  if (!shown && !errorShown) {
    return readOnly ? null : (
      <Button type="link" size="small" className="rd-more" onClick={() => setOpen(true)}>
        {t("onlyIfAdd")}
      </Button>
    );
  }
  return (
    <div className="rd-onlyif">
      {shown && (
        <div className="rd-param">
          <span className="rd-label">{t("onlyIf")}</span>
          <Condition at={[...at, "when"]} label={t("onlyIf")} />
        </div>
      )}
      {(errorShown || when !== undefined) && (
        <div className="rd-param" data-at={pointer([...at, "on_error"])}>
          <span className="rd-label">{t("ifFails")}</span>
          <Segmented aria-label={t("ifFails")} disabled={readOnly} value={onError === "continue" ? "continue" : "stop"} options={[{ value: "stop", label: t("failStop") }, { value: "continue", label: t("failContinue") }]} onChange={(v) => setOnError(v === "continue" ? v : undefined)} />
        </div>
      )}
    </div>
  );
}
