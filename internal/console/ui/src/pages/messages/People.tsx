import { Button } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import { useMay } from "@/app/session";
import type { PersonRef } from "./query";
import { useText } from "./texts";

/** Somebody in a mail; whoever is outside leads to their page. */
export function Person({ who }: { who: PersonRef }) {
  const may = useMay();
  const name = who.name?.trim() || who.address;
  if (who.customer && may("contacts.read")) {
    return (
      <Link className="person" to={`/customers/${encodeURIComponent(who.customer)}`} title={who.address}>
        <bdi>{name}</bdi>
      </Link>
    );
  }
  return (
    <span className="person" data-ours={who.internal || undefined} title={who.address}>
      <bdi>{name}</bdi>
    </span>
  );
}

/** All who are one thing in a mail, the first six at once. */
export function People({ people, as, count }: { people: PersonRef[]; as: PersonRef["role"]; count?: number }) {
  const t = useText();
  const [all, setAll] = useState(false);
  const those = people.filter((p) => p.role === as && (p.address || p.name));
  if (!those.length) return null;
  const shown = all ? those : those.slice(0, 6);
  return (
    <div className="people">
      <span className="muted">{t(`role.${as}`)}</span>
      {shown.map((p, i) => (
        <Person key={`${p.address}-${i}`} who={p} />
      ))}
      {those.length > shown.length && (
        <Button type="link" size="small" onClick={() => setAll(true)}>
          {t("morePeople", { n: those.length - shown.length })}
        </Button>
      )}
      {all && count !== undefined && count > people.length && <span className="muted small">{t("cutPeople", { n: count - people.length })}</span>}
    </div>
  );
}

const shortName = (p: PersonRef) => p.name?.trim() || p.address.replace(/@.*/, "") || "?";

/** Who a mail is from and to, in one line of a list. */
export function Between({ people, direction }: { people: PersonRef[]; direction: string }) {
  const t = useText();
  const from = people.find((p) => p.role === "from");
  const others = people.filter((p) => p.role !== "from");
  if (direction === "inbound" || !others.length) return <bdi>{from ? shortName(from) : t("noSender")}</bdi>;
  const first = others.filter((p) => !p.internal || direction === "internal");
  const names = (first.length ? first : others).slice(0, 2).map(shortName).join(t.lang === "zh" ? "、" : ", ");
  return (
    <>
      <bdi>{from ? shortName(from) : t("noSender")}</bdi> <span aria-hidden>→</span>
      <span className="unseen">{t("role.to")}</span> <bdi>{names}</bdi>
      {others.length > 2 && <span className="muted"> +{others.length - 2}</span>}
    </>
  );
}
