// A text with fields in it as chips. The browser edits it, so that undo, selection and input methods work as everywhere; what is kept is the template.
import { NumberOutlined } from "@ant-design/icons";
import { Button, Popover, Tooltip } from "antd";
import { useCallback, useEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent, type MouseEvent } from "react";
import { ChipForm } from "./ChipForm";
import { chip, html, nodes, read, show, blank } from "./chipdom";
import { useEditor } from "./editor";
import { useKnown } from "./facts";
import { FieldList } from "./FieldList";
import type { Path } from "./json";
import { field, parse, sourceOf, type Piece } from "./template";
import { useDescribe } from "./useDescribe";
import { useText } from "../texts";

type Kind = "line" | "template" | "html";

export function Chips({ value, onChange, at, kind = "line", label, describedBy, invalid }: { value: string; onChange: (v: string) => void; at: Path; kind?: Kind; label: string; describedBy?: string; invalid?: boolean }) {
  const t = useText();
  const { readOnly } = useEditor();
  const known = useKnown(at);
  const describe = useDescribe();
  const root = useRef<HTMLDivElement>(null);
  const shown = useRef<string>(undefined);
  const caret = useRef<Range>(undefined);
  const typed = useRef(""); // the character that opened the list, and is taken away again
  const [picking, setPicking] = useState(false);
  const [editing, setEditing] = useState<HTMLElement>();
  const line = kind === "line";

  // What was typed here is in the page already; anything else is shown anew, such as after undo.
  useEffect(() => {
    const el = root.current;
    if (!el) return;
    if (shown.current !== value) {
      show(el, value, describe, line);
      shown.current = value;
    } else {
      el.querySelectorAll<HTMLElement>("[data-source]").forEach((c) => {
        const d = describe(parse(c.dataset.source!)[0]!);
        if (c.textContent !== d.text) c.textContent = d.text;
        c.title = d.title;
      });
    }
  }, [value, describe, line]);

  const emit = useCallback(() => {
    const v = read(root.current!);
    shown.current = v;
    onChange(v);
  }, [onChange]);

  const remember = () => {
    const s = getSelection();
    if (s?.rangeCount && root.current?.contains(s.anchorNode)) caret.current = s.getRangeAt(0).cloneRange();
  };
  const open = (char = "") => {
    remember();
    typed.current = char;
    setPicking(true);
  };
  /** Puts the caret back to where it was, before the character that opened the list. */
  const back = (takeAway: boolean) => {
    const el = root.current!;
    el.focus();
    const s = getSelection()!;
    s.removeAllRanges();
    const r = caret.current ?? document.createRange();
    if (!caret.current) {
      r.selectNodeContents(el);
      r.collapse(false);
    }
    if (takeAway && typed.current && r.collapsed && r.startContainer.nodeType === Node.TEXT_NODE && r.startContainer.textContent?.[r.startOffset - 1] === typed.current) r.setStart(r.startContainer, r.startOffset - 1);
    s.addRange(r);
  };
  const put = (p: Piece) => {
    setPicking(false);
    back(true);
    document.execCommand("insertHTML", false, html([chip(p, describe), document.createTextNode(blank)]));
    caret.current = undefined;
    emit();
  };
  const cancel = () => {
    setPicking(false);
    back(false);
  };

  const onInput = () => {
    emit();
    const s = getSelection();
    const n = s?.anchorNode;
    if (n?.nodeType !== Node.TEXT_NODE || (s as Selection & { isComposing?: boolean }).isComposing) return;
    const upTo = (n.textContent ?? "").slice(0, s!.anchorOffset).replaceAll(blank, "");
    // An @ inside an address and a / inside a link are what they are.
    if (/(^|[\s，。：；、（(])[@/]$/.test(upTo)) open(upTo.at(-1));
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === "Enter" && !e.nativeEvent.isComposing) {
      e.preventDefault();
      if (!line) document.execCommand("insertLineBreak");
    } else if ((e.ctrlKey || e.metaKey) && ["b", "i", "u"].includes(e.key)) e.preventDefault();
    else if ((e.ctrlKey || e.metaKey) && e.key === "Enter") e.preventDefault();
  };
  const copy = (e: ClipboardEvent, cut: boolean) => {
    const s = getSelection();
    if (!s?.rangeCount || s.isCollapsed) return;
    e.preventDefault();
    e.clipboardData.setData("text/plain", read(s.getRangeAt(0).cloneContents(), false));
    if (cut && !readOnly) document.execCommand("delete");
  };
  const paste = (e: ClipboardEvent) => {
    e.preventDefault();
    const text = e.clipboardData.getData("text/plain").replaceAll("\r\n", "\n");
    document.execCommand("insertHTML", false, html(nodes(text, describe, line)));
    emit();
  };
  const click = (e: MouseEvent) => {
    const c = (e.target as HTMLElement).closest<HTMLElement>("[data-source]");
    if (c && !readOnly) setEditing(c);
  };
  const change = (p: Piece | undefined) => {
    const c = editing!;
    setEditing(undefined);
    const r = document.createRange();
    r.selectNode(c);
    root.current!.focus();
    const s = getSelection()!;
    s.removeAllRanges();
    s.addRange(r);
    if (!p) document.execCommand("delete");
    else if (sourceOf(p) !== c.dataset.source) document.execCommand("insertHTML", false, html([chip(p, describe)]));
    emit();
  };
  return (
    <div className="rd-chips" data-kind={kind} data-invalid={invalid || undefined}>
      {/* The chips inside are reached with the caret; Enter on the button beside inserts more. */}
      { }
      <div
        ref={root}
        className="rd-edit"
        role="textbox"
        tabIndex={0}
        aria-label={label}
        aria-multiline={!line}
        aria-describedby={describedBy}
        aria-invalid={invalid || undefined}
        aria-readonly={readOnly || undefined}
        contentEditable={!readOnly}
        suppressContentEditableWarning
        spellCheck={false}
        data-empty={value === "" || undefined}
        onInput={onInput}
        onKeyDown={onKeyDown}
        onBlur={remember}
        onCopy={(e) => copy(e, false)}
        onCut={(e) => copy(e, true)}
        onPaste={paste}
        onDrop={(e) => e.preventDefault()}
        onClick={click}
      />
      {!readOnly && (
        <Popover open={picking} onOpenChange={(o) => (o ? open() : setPicking(false))} trigger="click" placement="bottomRight" arrow={false} destroyOnHidden classNames={{ root: "rd-pop" }} content={<FieldList known={known} onPick={(path, k) => put(parse(field(path, k?.type === "list" && line ? "first" : undefined))[0]!)} onCancel={cancel} />}>
          <Tooltip title={picking ? "" : t("insertFieldHint")}>
            <Button className="rd-insert" size="small" type="text" icon={<NumberOutlined aria-hidden />} aria-label={`${t("insertField")}: ${label}`} onMouseDown={(e) => e.preventDefault()} />
          </Tooltip>
        </Popover>
      )}
      {editing && <ChipForm anchor={editing} piece={parse(editing.dataset.source!)[0]!} known={known} done={change} close={() => setEditing(undefined)} />}
    </div>
  );
}
