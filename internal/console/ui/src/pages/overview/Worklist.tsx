import { CheckOutlined, RightOutlined } from "@ant-design/icons";
import { Link } from "react-router";
import type { Schemas } from "@/api/client";
import { said } from "@/api/said";
import { useMay } from "@/app/session";
import { Empty, Panel, State, Time } from "@/kit";
import { leads } from "./attention";
import { useRuleNames } from "./rules";
import { useText } from "./texts";

type Attention = Schemas["operations"]["Attention"];

const tones = { failed: "bad", warning: "warn", ok: "plain" } as const;

/** What needs a person, the most urgent first. */
export function Worklist({ items }: { items: Attention[] }) {
  const t = useText();
  const names = useRuleNames(items.some((a) => a.kind === "rules_held"));
  return (
    <Panel title={t("worklist")} extra={items.length > 0 && <span className="small muted">{t("worklistCount", { n: items.length })}</span>} flush>
      {items.length === 0 ? (
        <Empty title={<><CheckOutlined aria-hidden /> {t("nothingToDo")}</>}>{t("nothingToDoHint")}</Empty>
      ) : (
        <ul className="ov-work">
          {items.map((a, i) => (
            <Item key={`${a.kind} ${a.name ?? i}`} item={a} name={a.kind === "rules_held" && a.name ? (names[a.name] ?? a.name) : a.name} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Item({ item: a, name }: { item: Attention; name?: string }) {
  const t = useText();
  const may = useMay();
  const lead = leads(a);
  const way = lead && may(lead.permission) ? lead : undefined;
  const check = a.kind === "certificate" || a.kind === "space" || a.kind === "journal";
  const body = (
    <>
      <State tone={tones[a.level]}>{t(`level.${a.level}`)}</State>
      <div className="grow">
        <strong>
          {t(`work.${a.kind}`, { n: a.count })}
          {name && !check && <span className="ov-about">{name}</span>}
        </strong>
        {a.detail && <div className="small ov-say">{said(a.detail, t.lang)}</div>}
        <div className="small muted">
          {said(a.remedy, t.lang)}
          {a.since && !check && (
            <>
              {a.remedy && " · "}
              {t.rich("since", { time: <Time at={a.since} /> })}
            </>
          )}
        </div>
      </div>
      {way && <RightOutlined aria-hidden className="muted" />}
    </>
  );
  return <li>{way ? <Link to={way.to}>{body}</Link> : <div>{body}</div>}</li>;
}
