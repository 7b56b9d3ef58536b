// A fact, chosen from what is known: a button that shows it as a chip.
import { DownOutlined } from "@ant-design/icons";
import { Popover } from "antd";
import { useMemo, useRef, useState } from "react";
import { useFactLabel, useKnown, type Known } from "./facts";
import { FieldList, Sign } from "./FieldList";
import { useEditor, type FactType } from "./editor";
import type { Path } from "./json";
import { useText } from "../texts";

export function FieldPicker({ value, onChange, at, label, types, extra }: { value: string; onChange: (path: string, k?: Known) => void; at: Path; label: string; types?: FactType[]; extra?: Known[] }) {
  const t = useText();
  const all = useKnown(at);
  const name = useFactLabel();
  const { readOnly } = useEditor();
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus({ preventScroll: true });
  };
  const known = useMemo(() => [...(extra ?? []), ...(types ? all.filter((k) => types.includes(k.type) || k.type === "open") : all)], [all, types, extra]);
  const here = known.find((k) => k.path === value) ?? all.find((k) => k.path === value);
  return (
    <Popover
      open={open}
      onOpenChange={(o) => !readOnly && setOpen(o)}
      trigger="click"
      placement="bottomLeft"
      arrow={false}
      destroyOnHidden
      classNames={{ root: "rd-pop" }}
      content={
        <FieldList
          known={known}
          onPick={(path, k) => {
            onChange(path, k);
            close();
          }}
          onCancel={close}
        />
      }
    >
      <button ref={button} type="button" className="rd-pick" aria-haspopup="listbox" aria-expanded={open} disabled={readOnly}>
        <span className="unseen">{label}: </span>
        {value ? (
          <span className="rd-chip">
            <Sign type={here?.type ?? "open"} />
            <span className="cut">{extra?.find((k) => k.path === value)?.label ?? name(value)}</span>
          </span>
        ) : (
          <span className="muted">{t("chooseField")}</span>
        )}
        <DownOutlined aria-hidden />
      </button>
    </Popover>
  );
}
