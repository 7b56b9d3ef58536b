// The parts that pages are put together from.
import { ArrowLeftOutlined, CheckOutlined, CopyOutlined } from "@ant-design/icons";
import { Button, Tooltip } from "antd";
import { Fragment, useId, useState, type ReactNode } from "react";
import { Link } from "react-router";
import { useText } from "./texts";

/** The head of a page: its only h1, a sentence on what it is for, and what can be done. */
export function Head({ title, children, actions, back }: { title: ReactNode; children?: ReactNode; actions?: ReactNode; back?: { to: string; title: string } }) {
  return (
    <div className="head">
      <div style={{ minWidth: 0 }}>
        {back && (
          <Link className="back" to={back.to}>
            <ArrowLeftOutlined aria-hidden />
            {back.title}
          </Link>
        )}
        <h1>{title}</h1>
        {children && <p>{children}</p>}
      </div>
      {actions && <div className="actions">{actions}</div>}
    </div>
  );
}

/** A framed part of a page with a heading. flush: the content brings its own padding. */
export function Panel({ title, extra, children, flush }: { title?: ReactNode; extra?: ReactNode; children: ReactNode; flush?: boolean }) {
  const id = useId();
  return (
    <section className="panel" aria-labelledby={title ? id : undefined}>
      {title && (
        <header>
          <h2 id={id}>{title}</h2>
          {extra && <div className="extra row">{extra}</div>}
        </header>
      )}
      {flush ? children : <div className="body">{children}</div>}
    </section>
  );
}

export type Tone = "good" | "warn" | "bad" | "info" | "plain";

/** The state of something: a word, and a colour that says no more than the word. */
export function State({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className="state" data-tone={tone}>
      {children}
    </span>
  );
}

/** Names and values, below or beside each other. Rows without a value are left out. */
export function Facts({ rows }: { rows: [name: ReactNode, value: ReactNode][] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value], i) =>
        value === undefined || value === null || value === "" || value === false ? null : (
          <Fragment key={i}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ),
      )}
    </dl>
  );
}

/** A button that copies text. */
export function Copy({ text, label }: { text: string; label?: string }) {
  const t = useText();
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without https there is no clipboard: an unseen text field does it.
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <Tooltip title={done ? t("copied") : (label ?? t("copy"))}>
      <Button size="small" type="text" icon={done ? <CheckOutlined aria-hidden /> : <CopyOutlined aria-hidden />} aria-label={label ?? t("copy")} onClick={() => void copy()} />
    </Tooltip>
  );
}
