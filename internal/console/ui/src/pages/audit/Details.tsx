import { Button, Drawer } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useNavigate } from "react-router";
import { api, ok } from "@/api/client";
import { Async, Copy, Empty, Facts, State, Time, useNarrow } from "@/kit";
import { nameOf, objectOf, outcomes, usePhrase, whoOf, type Row } from "./rows";
import { useText } from "./texts";

/** One row with all that is known; changes as from → to. name: as nameOf makes it, in the address. */
export function Details({ name, close }: { name: string; close: () => void }) {
  const t = useText();
  const narrow = useNarrow();
  const client = useQueryClient();
  const query = useQuery({
    queryKey: ["audit", "row", name],
    queryFn: async ({ signal }) => {
      const at = new Date(name.slice(name.lastIndexOf("~") + 1));
      if (Number.isNaN(at.getTime())) return null;
      // The second in which it happened: there is no way to ask for a row by its number.
      const from = new Date(Math.floor(at.getTime() / 1000) * 1000);
      const page = await ok(api.GET("/api/v1/audit", { params: { query: { from: from.toISOString(), to: new Date(from.getTime() + 1000).toISOString(), limit: 200 } }, signal }));
      return [...page.open, ...page.items].find((r) => nameOf(r) === name) ?? null;
    },
    enabled: Boolean(name),
    initialData: () =>
      client
        .getQueriesData<{ pages: { items: Row[] }[] }>({ queryKey: ["audit", "list"] })
        .flatMap(([, data]) => data?.pages.flatMap((p) => p.items) ?? [])
        .find((r) => nameOf(r) === name),
    staleTime: Infinity,
  });
  return (
    <Drawer open={Boolean(name)} onClose={close} title={t("details")} size={narrow ? "100%" : 540} destroyOnHidden>
      {name && <Async query={query} empty={(r) => r === null && <Empty title={t("gone")}>{t("goneHint")}</Empty>}>{(r) => r && <Inside row={r} close={close} />}</Async>}
    </Drawer>
  );
}

function Inside({ row, close }: { row: Row; close: () => void }) {
  const t = useText();
  const go = useNavigate();
  const phrase = usePhrase();
  const only = (key: string, value: string) => {
    close();
    void go(`/audit?${key}=${encodeURIComponent(value)}`);
  };
  return (
    <div className="stack">
      <div className="row">
        <h2 style={{ margin: 0, fontSize: 17 }}>{phrase(row)}</h2>
        <State tone={outcomes[row.outcome]}>{t(`outcome.${row.outcome}`)}</State>
      </div>
      {row.seq === undefined && <p className="muted" style={{ margin: 0 }}>{t(row.under_way ? "underWayHint" : "countingHint")}</p>}
      <Facts
        rows={[
          [t("when"), <Time key="at" at={row.at} show="exact" />],
          [t("lastTime"), row.until && row.until !== row.at && <Time key="u" at={row.until} show="exact" />],
          [t("howOften"), row.count > 1 && t("times", { n: row.count })],
          [t("who"), whoOf(row) ?? (row.via === "gateway" ? t("theGateway") : t("stranger"))],
          [t("role"), row.role && t.any(`role.${row.role}`, row.role)],
          [t("via"), row.credential ? `${t(`via.${row.via}`)} · ${row.credential}` : t(`via.${row.via}`)],
          [t("address"), row.address && <span key="a" className="mono">{row.address}</span>],
          [t("object"), objectOf(row) && <span key="o" style={{ overflowWrap: "anywhere" }}>{row.kind && `${t.any(`kind.${row.kind}`, row.kind)} `}{objectOf(row)}</span>],
          [t("objectId"), row.object && row.object !== objectOf(row) && <span key="i" className="mono small" style={{ overflowWrap: "anywhere" }}>{row.object}</span>],
          [t("operation"), <code key="op">{row.action}</code>],
          [t("outcome"), t(`outcomeHint.${row.outcome}`)],
        ]}
      />
      <Changes details={row.details} />
      <div className="row">
        {row.person && <Button onClick={() => only("person", row.person!)}>{t("allOfPerson")}</Button>}
        {row.object && <Button onClick={() => only("object", row.object!)}>{t("allOfObject")}</Button>}
      </div>
      {row.seq !== undefined && (
        <p className="muted small" style={{ margin: 0 }}>
          {t("row", { n: row.seq })} · <span className="mono" style={{ overflowWrap: "anywhere" }}>{row.hash}</span> <Copy text={row.hash ?? ""} label={t("copyHash")} />
        </p>
      )}
    </div>
  );
}

function Changes({ details }: { details?: Row["details"] }) {
  const t = useText();
  const entries = Object.entries(details ?? {}).filter(([name]) => name !== "name"); // it is said above
  if (!entries.length) return null;
  return (
    <section aria-label={t("facts")}>
      <h3>{t("facts")}</h3>
      <Facts rows={entries.map(([name, value]) => [t.any(`detail.${name}`, name.replaceAll("_", " ")), show(value)])} />
    </section>
  );
}

function show(value: unknown): ReactNode {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(plain).join(", ") || "–";
  const v = value as Record<string, unknown>;
  if ("from" in v || "to" in v) {
    return (
      <>
        <del className="muted">{plain(v.from)}</del> → <ins style={{ textDecoration: "none" }}>{plain(v.to)}</ins>
      </>
    );
  }
  return (
    <ul className="tight">
      {Object.entries(v).map(([k, x]) => (
        <li key={k}>
          {k.replaceAll("_", " ")}: {show(x)}
        </li>
      ))}
    </ul>
  );
}

const plain = (v: unknown): string => (v === null || v === undefined || v === "" ? "–" : typeof v === "object" ? JSON.stringify(v) : String(v));
