// A list that comes from elsewhere as a whole, or is written down here.
import { Button } from "antd";
import type { ReactNode } from "react";
import { useEditor, usePlace } from "../editor";
import { FieldPicker } from "../FieldPicker";
import { asText, isObj, type Path } from "../json";
import { useText } from "../../texts";

export function FromField({ at, label, children }: { at: Path; label: string; children: ReactNode }) {
  const t = useText();
  const { readOnly } = useEditor();
  const [value, write] = usePlace(at);
  if (!isObj(value) || value.fact === undefined) return children;
  return (
    <div className="row">
      <FieldPicker value={asText(value.fact)} onChange={(fact) => write({ fact })} at={at} label={label} types={["list"]} />
      {!readOnly && (
        <Button size="small" type="link" onClick={() => write(undefined)}>
          {t("doc.writeHere")}
        </Button>
      )}
    </div>
  );
}
