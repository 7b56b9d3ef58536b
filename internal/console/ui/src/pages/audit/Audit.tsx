// Who saw or changed what.
import { Head, Listing, State, Time } from "@/kit";
import { api, ok } from "@/api/client";
import { useMemo } from "react";
import { Details } from "./Details";
import { Export } from "./Export";
import { Filters } from "./Filters";
import { useText } from "./texts";
import { nameOf, objectOf, outcomes, useAuditFilters, usePhrase, whoOf, type Row } from "./rows";
import { Verify } from "./Verify";

export default function Audit() {
  const t = useText();
  const { filters, setFilters, query, any } = useAuditFilters();
  const phrase = usePhrase();
  const key = useMemo(() => ["audit", "list", query], [query]);
  return (
    <>
      <Head title={t("title")} actions={<><Verify /><Export query={query} /></>}>
        {t("hint")}
      </Head>
      <Listing<Row>
        label={t("title")}
        queryKey={key}
        fetch={async ({ cursor, limit, signal }) => {
          const page = await ok(api.GET("/api/v1/audit", { params: { query: { ...query, cursor, limit } }, signal }));
          // What is still counted is newer than anything in the chain.
          return { items: [...page.open, ...page.items], next: page.next };
        }}
        rowKey={nameOf}
        onOpen={(r) => setFilters({ row: nameOf(r) })}
        filters={<Filters filters={filters} set={setFilters} />}
        filtered={any}
        columns={[
          { key: "at", title: t("when"), width: 150, render: (r) => <Time at={r.at} /> },
          {
            key: "who",
            title: t("who"),
            render: (r) => (
              <>
                {whoOf(r) ?? <span className="muted">{r.via === "gateway" ? t("theGateway") : t("stranger")}</span>}
                {r.role && <div className="muted small">{t.any(`role.${r.role}`, r.role)}</div>}
              </>
            ),
          },
          {
            key: "what",
            title: t("what"),
            card: "first",
            render: (r) => (
              <>
                {phrase(r)}
                {r.seq === undefined && (
                  <>
                    {" "}
                    <State tone="info">{t(r.under_way ? "underWay" : "counting")}</State>
                  </>
                )}
                {r.count > 1 && <div className="muted small">{t("times", { n: r.count })}</div>}
              </>
            ),
          },
          { key: "object", title: t("object"), render: (r) => (objectOf(r) ? <span className="cut small" title={r.object ?? objectOf(r)} style={{ display: "inline-block", maxWidth: 280 }}>{r.kind && <span className="muted">{t.any(`kind.${r.kind}`, r.kind)} </span>}{objectOf(r)}</span> : null) },
          { key: "via", title: t("via"), render: (r) => <span className="small">{t(`via.${r.via}`)}</span> },
          { key: "outcome", title: t("outcome"), render: (r) => <State tone={outcomes[r.outcome]}>{t(`outcome.${r.outcome}`)}</State> },
        ]}
      />
      <Details name={filters.row} close={() => setFilters({ row: "" })} />
    </>
  );
}
