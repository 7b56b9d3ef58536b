// Cards one below the other, that can be moved and taken away: operations of a table, parts of a document.
import { ArrowDownOutlined, ArrowUpOutlined, DeleteOutlined } from "@ant-design/icons";
import { Button } from "antd";
import { useRef, type ReactNode } from "react";
import { useEditor } from "../editor";
import { insert, pointer, set, type Path } from "../json";
import { Problems } from "../problems";
import { useText } from "../../texts";

/** at: the list. */
export function Cards({ at, titles, children, label }: { at: Path; titles: string[]; children: (i: number) => ReactNode; label: string }) {
  const t = useText();
  const { change, readOnly } = useEditor();
  const root = useRef<HTMLDivElement>(null);
  const shift = (i: number, by: number) => {
    change((r) => {
      const list = at.reduce<unknown>((v, k) => (v as Record<string | number, unknown>)?.[k], r) as never[];
      return insert(set(r, [...at, i], undefined), [...at, i + by], list[i]!);
    });
    // The keys stay with the card; at the end of the list its other button has them.
    requestAnimationFrame(() => {
      const buttons = root.current?.children[i + by]?.querySelectorAll<HTMLButtonElement>("[data-shift]");
      [...(buttons ?? [])].sort((a, b) => (a.dataset.shift === String(by) ? -1 : b.dataset.shift === String(by) ? 1 : 0)).find((b) => !b.disabled)?.focus();
    });
  };
  return (
    <div className="rd-cards" ref={root} role="group" aria-label={label}>
      {titles.map((title, i) => (
        <div className="rd-sub" role="group" key={i} aria-label={`${i + 1} ${title}`} data-at={pointer([...at, i])}>
          <div className="row">
            <strong className="grow">
              <span className="rd-n">{i + 1}</span> {title}
            </strong>
            {!readOnly && (
              <>
                <Button type="text" size="small" data-shift="-1" disabled={i === 0} icon={<ArrowUpOutlined aria-hidden />} aria-label={t("rep.up", { what: title })} onClick={() => shift(i, -1)} />
                <Button type="text" size="small" data-shift="1" disabled={i === titles.length - 1} icon={<ArrowDownOutlined aria-hidden />} aria-label={t("rep.down", { what: title })} onClick={() => shift(i, 1)} />
                <Button type="text" size="small" icon={<DeleteOutlined aria-hidden />} aria-label={t("removeRow", { what: title })} onClick={() => change((r) => set(r, [...at, i], undefined))} />
              </>
            )}
          </div>
          {children(i)}
          <Problems at={[...at, i]} />
        </div>
      ))}
    </div>
  );
}

/** A labelled input of such a card. */
export function Field({ label, children, wide, optional }: { label: string; children: ReactNode; wide?: boolean; optional?: boolean }) {
  const t = useText();
  return (
    <div className="rd-field" data-wide={wide || undefined}>
      <span className="rd-label" aria-hidden>
        {label}
        {optional && <span className="muted"> {t("optional")}</span>}
      </span>
      {children}
    </div>
  );
}
