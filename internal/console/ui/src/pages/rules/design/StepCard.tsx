// One step: what it does in a line, its form, the rows inside it; moved, doubled, folded, taken away.
import { CopyOutlined, DeleteOutlined, DownOutlined, HolderOutlined, MoreOutlined, RightOutlined } from "@ant-design/icons";
import { App, Button, Dropdown } from "antd";
import { useState, type KeyboardEvent } from "react";
import { Nested } from "./Nested";
import { DocumentStep } from "./document/DocumentStep";
import { MailStep } from "./MailStep";
import { OnlyIf } from "./OnlyIf";
import { concerns, useEditor, useWords, type Parameter } from "./editor";
import { numbered } from "./facts";
import { copyOf } from "./fresh";
import { Icon } from "./icons";
import { asObj, asText, get, insert, move, pointer, set, type Path } from "./json";
import { Params } from "./Params";
import { Problems } from "./problems";
import { drag } from "./Steps";
import { Summary } from "./Summary";
import { ReportStep } from "./table/ReportStep";
import { useText } from "../texts";

const mails = new Set(["send_mail", "reply", "batch_send", "append"]);

function Form({ at, kind, params }: { at: Path; kind: string; params: Parameter[] }) {
  if (mails.has(kind)) return <MailStep at={at} kind={kind} params={params} />;
  if (kind === "report") return <ReportStep at={at} params={params} />;
  if (kind === "document") return <DocumentStep at={at} params={params} />;
  return <Params params={params} at={[...at, "with"]} kind={kind} />;
}

export function StepCard({ at, count }: { at: Path; count: number }) {
  const t = useText();
  const words = useWords();
  const { message } = App.useApp();
  const { rule, change, undo, vocab, problems, readOnly } = useEditor();
  const [folded, setFolded] = useState(false);
  const step = asObj(get(rule, at));
  const kind = asText(step.do);
  const info = vocab.steps.find((s) => s.kind === kind);
  const n = numbered(rule).find((s) => pointer(s.path) === pointer(at))?.n ?? "";
  const i = Number(at.at(-1));
  const list = at.slice(0, -1);
  const title = t.any(`step.${kind}`, info ? words(info.label) : kind);
  const wrong = problems.filter((p) => concerns(p, at));

  const shift = (to: number) => {
    if (to < 0 || to >= count) return;
    change((r) => move(r, at, [...list, to > i ? to + 1 : to]));
    setTimeout(() => document.querySelector<HTMLElement>(`[data-step="${asText(step.id)}"] .rd-handle`)?.focus(), 30);
  };
  const double = () => change((r) => insert(r, [...list, i + 1], copyOf(r, step)));
  const remove = () => {
    change((r) => set(r, at, undefined));
    const key = `removed-${asText(step.id)}`;
    const back = () => {
      undo();
      message.destroy(key);
    };
    void message.open({ key, duration: 6, type: "info", content: <>{t("stepRemoved", { title })} <Button size="small" type="link" onClick={back}>{t("undo")}</Button></> });
  };
  const onKey = (e: KeyboardEvent) => {
    if (readOnly) return;
    if (e.altKey && e.key === "ArrowUp") shift(i - 1);
    else if (e.altKey && e.key === "ArrowDown") shift(i + 1);
    else if ((e.ctrlKey || e.metaKey) && e.key === "d") double();
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  const menu = [
    { key: "up", label: t("moveUp"), extra: "Alt ↑", disabled: i === 0, onClick: () => shift(i - 1) },
    { key: "down", label: t("moveDown"), extra: "Alt ↓", disabled: i === count - 1, onClick: () => shift(i + 1) },
    { key: "copy", label: t("duplicate"), icon: <CopyOutlined aria-hidden />, onClick: double },
    { key: "remove", label: t("remove"), icon: <DeleteOutlined aria-hidden />, danger: true, onClick: remove },
  ];
  return (
    // Keys of a card work wherever in it one is.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <section className="rd-card rd-step" data-at={pointer(at)} data-step={asText(step.id)} data-wrong={wrong.some((p) => p.severity === "error") || undefined} aria-label={`${n} ${title}`} onKeyDown={onKey}>
      <div className="rd-title">
        {!readOnly && (
          <button
            type="button"
            className="rd-handle"
            aria-label={t("moveStep", { title })}
            title={t("moveHint")}
            draggable
            onDragStart={(e) => {
              e.dataTransfer.effectAllowed = "move";
              e.dataTransfer.setData("text/plain", title);
              const card = e.currentTarget.closest(".rd-step");
              if (card) e.dataTransfer.setDragImage(card, 20, 20);
              drag.start(at);
            }}
            onDragEnd={drag.end}
          >
            <HolderOutlined aria-hidden />
          </button>
        )}
        <span className="rd-icon" data-group={info?.group}>
          <Icon of={kind} />
        </span>
        <button type="button" className="rd-fold grow" aria-expanded={!folded} onClick={() => setFolded(!folded)}>
          <span className="rd-n">{n}</span>
          <strong>{title}</strong>
          <Summary step={step} at={at} />
        </button>
        {wrong.length > 0 && <span className="rd-count" data-severity={wrong.some((p) => p.severity === "error") ? "error" : "warning"}>{t("problemCount", { n: wrong.length })}</span>}
        <Button type="text" size="small" icon={folded ? <RightOutlined aria-hidden /> : <DownOutlined aria-hidden />} aria-label={t(folded ? "unfold" : "fold")} onClick={() => setFolded(!folded)} />
        {!readOnly && (
          <Dropdown menu={{ items: menu }} trigger={["click"]} placement="bottomRight">
            <Button type="text" size="small" icon={<MoreOutlined aria-hidden />} aria-label={t("stepMenu", { title })} />
          </Dropdown>
        )}
      </div>
      {!folded && info && (
        <div className="rd-body">
          <Form at={at} kind={kind} params={info.parameters} />
          <Nested at={at} kind={kind} />
          <OnlyIf at={at} outside={info.outside} />
        </div>
      )}
      <Problems at={at} deep={folded} />
      <Problems at={[...at, "with"]} deep={false} />
    </section>
  );
}
