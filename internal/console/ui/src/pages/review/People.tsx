// People whom no CRM knows: the list at the left, one of them at the right.
import { ArrowLeftOutlined, SearchOutlined } from "@ant-design/icons";
import { Button, Input, Segmented } from "antd";
import { useEffect, useState } from "react";
import { useSession, useMay } from "@/app/session";
import { Empty, useFilters, useNarrow, useTyped } from "@/kit";
import { useDecide } from "./decide";
import { DomainQuestion } from "./DomainQuestion";
import { Joy } from "./Joy";
import { useKeys } from "./keys";
import { LinkTo } from "./LinkTo";
import { itemsOf, useReviews, type Review } from "./lists";
import { Pages } from "./Pages";
import { PeopleList } from "./PeopleList";
import { Person } from "./Person";
import { Verdict } from "./Verdict";
import { useText } from "./texts";

export function People() {
  const t = useText();
  const narrow = useNarrow();
  const decides = useMay()("contacts.write");
  const { scope } = useSession();
  const [{ state, q, who }, set] = useFilters({ state: "open", q: "", who: "" });
  const [typed, type] = useTyped(q, (v) => set({ q: v }));
  const query = useReviews(state === "decided" ? "decided" : "open", q);
  const items = itemsOf(query);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [linking, setLinking] = useState<Review>();
  const [domain, setDomain] = useState<Review[]>();

  const at = items.findIndex((r) => r.subject === who);
  const current = at >= 0 ? items[at] : narrow ? undefined : items[0];
  const chosen = items.filter((r) => picked.has(r.subject));
  const subjects = chosen.length ? chosen : current ? [current] : [];

  const step = (by: number) => {
    const from = items.indexOf(current!);
    const next = items[Math.max(0, Math.min(items.length - 1, from + by))];
    if (next) set({ who: next.subject });
  };
  const { decide, link, undo, busy } = useDecide((decided) => {
    const gone = new Set(decided.map((r) => r.subject));
    const from = items.findIndex((r) => gone.has(r.subject));
    const next = items.slice(from).find((r) => !gone.has(r.subject)) ?? items.find((r) => !gone.has(r.subject));
    setPicked(new Set());
    set({ who: narrow ? "" : (next?.subject ?? "") });
  });
  const act = (as: Parameters<typeof decide>[1]) => () => {
    if (!decides || !subjects.length || state === "decided") return;
    if (as === "domain") setDomain(subjects);
    else void decide(subjects, as);
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    x: () => current && setPicked(toggled(picked, current.subject)),
    u: undo,
    "1": act("contact"),
    "2": act("lead"),
    "3": () => decides && subjects.length === 1 && state !== "decided" && setLinking(subjects[0]),
    "4": act("skip"),
    "5": act("ignore"),
    "6": () => scope !== "own" && act("domain")(),
  });
  useEffect(() => {
    document.querySelector(".review-people [aria-current=true]")?.scrollIntoView({ block: "nearest" });
  }, [who]);

  const verdict = (of: Review[]) =>
    decides && (
      <Verdict
        decided={state === "decided"}
        many={of.length > 1}
        domains={scope !== "own"}
        busy={busy}
        decide={(as) => (as === "domain" ? setDomain(of) : void decide(of, as))}
        link={of.length === 1 ? () => setLinking(of[0]) : undefined}
      />
    );
  const open = narrow ? at >= 0 : true;
  return (
    <div className="review-people" data-open={(narrow && open) || undefined}>
      {!(narrow && open) && (
        <section className="panel" aria-label={t("people")}>
          <div className="review-bar">
            <Segmented
              value={state}
              aria-label={t("which")}
              onChange={(v) => (setPicked(new Set()), set({ state: v, who: "" }))}
              options={[
                { value: "open", label: t("state.open") },
                { value: "decided", label: t("state.decided") },
              ]}
            />
            <Input type="search" className="grow review-find" prefix={<SearchOutlined aria-hidden />} value={typed} onChange={(e) => type(e.target.value)} placeholder={t("findPeople")} aria-label={t("findPeople")} maxLength={200} />
          </div>
          {chosen.length > 0 && (
            <div className="review-bar review-picked">
              <strong>{t("picked", { n: chosen.length })}</strong>
              <Button type="text" size="small" onClick={() => setPicked(new Set())}>
                {t("pickNone")}
              </Button>
              {verdict(chosen)}
            </div>
          )}
          <Pages query={query} empty={q ? <Empty title={t("noneFound")} /> : state === "decided" ? <Empty title={t("noneDecided")}>{t("noneDecidedHint")}</Empty> : <Joy title={t("nobody")}>{t("nobodyHint")}</Joy>}>
            {(all) => <PeopleList items={all} current={current?.subject} picked={picked} pick={decides ? setPicked : undefined} open={(s) => set({ who: s })} />}
          </Pages>
        </section>
      )}
      {open && current && (
        <section className="panel review-person" aria-label={current.name || current.subject}>
          {narrow && (
            <Button type="text" icon={<ArrowLeftOutlined aria-hidden />} onClick={() => set({ who: "" })}>
              {t("back")}
            </Button>
          )}
          <Person review={current} link={decides && state !== "decided" ? (to) => void link(current, to) : undefined} footer={verdict([current])} />
        </section>
      )}
      <LinkTo review={linking} close={() => setLinking(undefined)} link={(to) => link(linking!, to)} />
      <DomainQuestion who={domain} all={items} close={() => setDomain(undefined)} go={(of) => decide(of, "domain")} />
    </div>
  );
}

function toggled(set: ReadonlySet<string>, key: string) {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}
