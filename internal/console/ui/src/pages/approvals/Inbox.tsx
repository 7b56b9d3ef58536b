// The list of the inbox; arrow keys walk through it and show what is walked to.
import { useRef, type KeyboardEvent } from "react";
import type { Schemas } from "@/api/client";
import { State, Time } from "@/kit";
import { approvalTones } from "./Votes";
import { useText } from "./texts";

type Approval = Schemas["automation"]["Approval"];

export function Inbox({ items, shown, open }: { items: Approval[]; shown: string; open: (id: string) => void }) {
  const t = useText();
  const list = useRef<HTMLUListElement>(null);
  const onKey = (e: KeyboardEvent, i: number) => {
    const to = { ArrowDown: i + 1, j: i + 1, ArrowUp: i - 1, k: i - 1, Home: 0, End: items.length - 1 }[e.key];
    const item = to === undefined ? undefined : items[to];
    if (!item) return;
    e.preventDefault();
    open(item.id);
    list.current?.querySelectorAll("button")[to!]?.focus();
  };
  return (
    <ul className="inbox" ref={list}>
      {items.map((a, i) => (
        <li key={a.id}>
          <button type="button" aria-current={a.id === shown || undefined} tabIndex={a.id === shown || (!shown && i === 0) ? 0 : -1} onClick={() => open(a.id)} onKeyDown={(e) => onKey(e, i)}>
            <span className="row" style={{ flexWrap: "nowrap", alignItems: "flex-start" }}>
              <strong className="grow">{a.title || a.mail?.subject || a.rule_name}</strong>
              {a.can_decide ? <State tone="warn">{t("yourTurn")}</State> : <State tone={approvalTones[a.state]}>{t(`state.${a.state}`)}</State>}
            </span>
            <span className="muted small">
              {a.kind === "mail" ? t("kind.mail") : a.rule_name} · <Time at={a.asked_at} plain />
              {a.state === "open" && <> · {t.rich("expiresIn", { time: <Time at={a.expires_at} plain /> })}</>}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
