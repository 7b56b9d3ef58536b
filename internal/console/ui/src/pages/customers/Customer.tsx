// A customer: who they are, who of us talks to them, and all mail with them.
import { ClockCircleOutlined, ExportOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useLiveQueries } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, Copy, Facts, Head, number, Panel, State, Time } from "@/kit";
import { web } from "@/pages/messages/Deliveries";
import { LastContact, unanswered } from "./LastContact";
import { Timeline } from "./Timeline";
import { useText } from "./texts";
import "./customers.css";

type Detail = Schemas["mail"]["CustomerDetail"];

export default function Customer() {
  const t = useText();
  const go = useNavigate();
  const { id = "" } = useParams();
  useLiveQueries(["message"], ["customers", "one", id], ["customers", "timeline", id]);
  const query = useQuery({ queryKey: ["customers", "one", id], queryFn: ({ signal }) => ok(api.GET("/api/v1/customers/{id}", { params: { path: { id } }, signal })) });
  const now = query.data?.id;
  useEffect(() => {
    // One that was merged into another is that one now.
    if (now && now !== id) void go(`/customers/${encodeURIComponent(now)}`, { replace: true });
  }, [now, id, go]);
  const back = { to: "/customers", title: t("title") };
  return (
    <Async query={query}>
      {(c) => (
        <>
          <Head title={<bdi>{c.name}</bdi>} back={back}>
            <Who c={c} />
          </Head>
          {unanswered(c) && (
            <p className="unanswered">
              <ClockCircleOutlined aria-hidden /> {t.rich("unanswered", { time: <Time at={c.last_in} /> })}
            </p>
          )}
          <div className="customer">
            <Timeline customer={c} />
            <aside className="stack">
              <About c={c} />
              <Colleagues c={c} />
              {c.people.length > 0 && <TheirPeople c={c} />}
            </aside>
          </div>
        </>
      )}
    </Async>
  );
}

function Who({ c }: { c: Detail }) {
  const t = useText();
  return (
    <span className="row">
      {c.known ? <State tone="good">{t("known.true")}</State> : <State>{t("unknown")}</State>}
      {c.title && <bdi>{c.title}</bdi>}
      {c.company && c.kind === "person" && (c.company_id ? <Link to={`/customers/${encodeURIComponent(c.company_id)}`}><bdi>{c.company}</bdi></Link> : <bdi>{c.company}</bdi>)}
      <span>{t("mailCount", { n: c.messages })}</span>
    </span>
  );
}

function About({ c }: { c: Detail }) {
  const t = useText();
  return (
    <Panel title={t("about")}>
      <Facts
        rows={[
          [
            t("addresses"),
            c.addresses.length > 0 && (
              <ul className="bare">
                {c.addresses.map((a) => (
                  <li key={a}>
                    {a} <Copy text={a} label={t("copyAddress", { address: a })} />
                  </li>
                ))}
              </ul>
            ),
          ],
          [t("domain"), c.domain],
          [t("phone"), c.phone],
          [t("mobile"), c.mobile],
          [t("owner"), c.owner],
          [t("lastContact"), <LastContact key="l" of={c} />],
          [t("theyWroteAt"), c.last_in && <Time at={c.last_in} />],
          [t("weWroteAt"), c.last_out && <Time at={c.last_out} />],
          [
            t("inCRM"),
            c.records.length > 0 && (
              <ul className="bare">
                {c.records.map((r) => (
                  <li key={`${r.target} ${r.id}`}>
                    {web(r.url) ? (
                      <a href={web(r.url)} target="_blank" rel="noopener noreferrer">
                        {r.target} <ExportOutlined aria-hidden />
                      </a>
                    ) : (
                      r.target
                    )}{" "}
                    <span className="muted small">
                      {r.kind && t.any(`record.${r.kind}`, r.kind)} {r.name && r.name !== c.name && <bdi>{r.name}</bdi>}
                    </span>
                  </li>
                ))}
              </ul>
            ),
          ],
        ]}
      />
      {!c.known && <p className="muted small">{t("unknownHint")}</p>}
    </Panel>
  );
}

function Colleagues({ c }: { c: Detail }) {
  const t = useText();
  const may = useMay();
  return (
    <Panel title={t("colleagues")} flush>
      {c.colleagues.length ? (
        <ul className="plain-list">
          {c.colleagues.map((p) => (
            <li key={p.account}>
              <div className="grow">
                <div className="cut">{may("mail.read") ? <Link to={`/messages?customer=${encodeURIComponent(c.id)}&account=${encodeURIComponent(p.account)}`}>{p.account}</Link> : p.account}</div>
                <LastContact of={p} />
              </div>
              <span className="muted small nowrap">{t("mailCount", { n: p.messages })}</span>
            </li>
          ))}
        </ul>
      ) : (
        <p className="muted" style={{ padding: "0 16px" }}>
          {t("noColleagues")}
        </p>
      )}
    </Panel>
  );
}

function TheirPeople({ c }: { c: Detail }) {
  const t = useText();
  return (
    <Panel title={t("theirPeople")} flush>
      <ul className="plain-list">
        {c.people.map((p) => (
          <li key={p.id}>
            <div className="grow">
              <div className="cut">
                <Link to={`/customers/${encodeURIComponent(p.id)}`}>
                  <bdi>{p.name}</bdi>
                </Link>
              </div>
              <span className="muted small">{p.title ?? p.addresses[0]}</span>
            </div>
            <span className="muted small nowrap">{number(p.messages, t.lang)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
