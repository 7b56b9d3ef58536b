// THEN: rows of steps. Cards are added between, dragged, moved by keyboard; rows inside steps are the same again.
import { PlusOutlined } from "@ant-design/icons";
import { Popover } from "antd";
import { useRef, useState, type DragEvent } from "react";
import { StepCard } from "./StepCard";
import { StepPalette } from "./StepPalette";
import { useEditor, usePlace } from "./editor";
import { freshStep } from "./fresh";
import { asList, insert, isObj, move, pointer, within, type Path } from "./json";
import { useText } from "../texts";

// What is dragged; a transfer of the browser tells it only at the end.
let dragged: Path | undefined;
export const drag = {
  start: (path: Path) => {
    dragged = path;
    document.body.dataset.dragging = "step";
  },
  end: () => {
    dragged = undefined;
    delete document.body.dataset.dragging;
  },
};

export function Steps({ at, empty }: { at: Path; empty?: string }) {
  const [value] = usePlace(at);
  const list = asList(value);
  return (
    <ol className="rd-steps" data-at={pointer(at)} data-empty={!list.length || undefined}>
      {list.map((step, i) => (
        <li key={isObj(step) && typeof step.id === "string" ? step.id : i}>
          <Between at={[...at, i]} />
          <StepCard at={[...at, i]} count={list.length} />
        </li>
      ))}
      <li className="rd-last">
        <Between at={[...at, list.length]} wide={empty ?? true} />
      </li>
    </ol>
  );
}

/** A place between two steps: a button that adds one, and where one can be dropped. */
function Between({ at, wide }: { at: Path; wide?: string | boolean }) {
  const t = useText();
  const { change, readOnly, vocab } = useEditor();
  const target = (vocab.targets.find((x) => x.default) ?? vocab.targets[0])?.name ?? "";
  const [open, setOpen] = useState(false);
  const [over, setOver] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  if (readOnly) return wide ? null : <div className="rd-between" />;
  const add = (kind: string) => {
    setOpen(false);
    let id = "";
    change((r) => {
      const step = freshStep(r, kind, target);
      id = String(step.id);
      return insert(r, at, step);
    });
    // The new card is where one goes on.
    setTimeout(() => document.querySelector<HTMLElement>(`[data-step="${id}"] .rd-params :is(input, [contenteditable=true])`)?.focus({ preventScroll: true }), 60);
  };
  const cancel = () => {
    setOpen(false);
    button.current?.focus({ preventScroll: true });
  };
  const allows = () => dragged && !within(at, dragged);
  const onOver = (e: DragEvent) => {
    if (!allows()) return;
    e.preventDefault();
    e.dataTransfer.dropEffect = "move";
    setOver(true);
  };
  const onDrop = (e: DragEvent) => {
    e.preventDefault();
    setOver(false);
    const from = dragged;
    if (from) change((r) => move(r, from, at));
    drag.end();
  };
  return (
    <div className="rd-between" data-wide={Boolean(wide) || undefined} data-over={over || undefined} onDragOver={onOver} onDragLeave={() => setOver(false)} onDrop={onDrop}>
      <Popover open={open} onOpenChange={setOpen} trigger="click" placement="bottom" arrow={false} destroyOnHidden classNames={{ root: "rd-pop" }} content={<StepPalette onPick={add} onCancel={cancel} />}>
        <button ref={button} type="button" className="rd-plus" aria-label={wide ? undefined : t("addStepHere")} aria-haspopup="dialog" aria-expanded={open}>
          <PlusOutlined aria-hidden />
          {wide && <span>{typeof wide === "string" ? wide : t("addStep")}</span>}
        </button>
      </Popover>
    </div>
  );
}
