import { Segmented } from "antd";
import { Link } from "react-router";
import { said } from "@/api/said";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Empty, Listing, Time, useFilters, type Column } from "@/kit";
import { Restrict, Withdraw } from "@/pages/messages/TakeBack";
import { Steps } from "@/pages/where/Found";
import { useText } from "./texts";

type Item = Schemas["mail"]["MineItem"];

const states = ["", "mirrored", "pending", "failed", "excluded", "withdrawn"] as const;

/** What became of each of my mails; also of those that stayed out. */
export function Mirrored() {
  const t = useText();
  const may = useMay();
  const [{ state }, set] = useFilters({ state: "" });
  useLiveQueries(["message"], ["me", "mirrored"]);
  const there = (i: Item) => Boolean(i.message_key) && ["mirrored", "pending", "failed"].includes(i.state);
  const columns: Column<Item>[] = [
    { key: "mail", title: t("mail"), card: "first", render: (i) => <Subject i={i} /> },
    { key: "at", title: t("seen"), render: (i) => <Time at={i.at} /> },
    {
      key: "became",
      title: t("became"),
      render: (i) => (
        <>
          <Steps steps={i.steps} />
          {i.reason && i.state !== "mirrored" && (
            <div className="muted small my-reason">
              <bdi>{said(i.reason, t.lang)}</bdi>
            </div>
          )}
        </>
      ),
    },
    {
      key: "do",
      title: "",
      render: (i) => (
        <span className="my-deeds">
          {may("mail.withdraw") && there(i) && (
            <>
              <Restrict messageKey={i.message_key!} small />
              <Withdraw messageKey={i.message_key!} small />
            </>
          )}
          {may("ledger.read") && <Link to={`/where?entry=${encodeURIComponent(i.entry)}`}>{t("why")}</Link>}
        </span>
      ),
    },
  ];
  return (
    <Listing<Item>
      label={t("tab.mirrored")}
      queryKey={["me", "mirrored", state]}
      fetch={({ cursor, limit, signal }) => ok(api.GET("/api/v1/me/mirrored", { params: { query: { state: (state || undefined) as Item["state"] | undefined, limit, cursor } }, signal }))}
      rowKey={(i) => i.entry}
      columns={columns}
      filtered={Boolean(state)}
      filters={
        <div className="my-states">
          <Segmented aria-label={t("filter")} value={state} onChange={(s: string) => set({ state: s })} options={states.map((s) => ({ value: s, label: s ? t(`state.${s}`) : t("all") }))} />
        </div>
      }
      empty={
        <Empty title={t("none")} action={<Link to="/me/programs">{t("programs")}</Link>}>
          {t("noneHint")}
        </Empty>
      }
    />
  );
}

function Subject({ i }: { i: Item }) {
  const t = useText();
  const may = useMay();
  const where = [i.account, i.mailbox].filter(Boolean).join(" · ");
  return (
    <div className="my-subject">
      {i.subject === undefined ? (
        <span className="muted">{t("notShown")}</span>
      ) : i.message_key && may("mail.read") ? (
        <Link to={`/messages/${encodeURIComponent(i.message_key)}`}>
          <bdi>{i.subject || t("noSubject")}</bdi>
        </Link>
      ) : (
        <bdi>{i.subject || t("noSubject")}</bdi>
      )}
      <div className="muted small">
        <bdi>{where}</bdi>
      </div>
    </div>
  );
}
