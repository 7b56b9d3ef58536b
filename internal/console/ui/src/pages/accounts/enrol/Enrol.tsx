// The public page of an enrolment link: an employee lets the gateway sign in to their mailbox. Nobody signs in here; the link is the key.
import { CheckCircleFilled } from "@ant-design/icons";
import { Segmented } from "antd";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useParams } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { ApiProblem, asProblem } from "@/api/problem";
import { said } from "@/api/said";
import { Gate } from "@/app/Gate";
import { Async, Copy, Problem, Time } from "@/kit";
import { useText } from "./texts";
import { ByBrowser, ByCode, ByConfirming, ByPassword } from "./ways";
import "./enrol.css";

export type Enrolment = Schemas["operations"]["Enrolment"];
type Way = Enrolment["ways"][number];

export default function Enrol() {
  const t = useText();
  const client = useQueryClient();
  const token = useParams().token ?? "";
  const key = ["enrol", token];
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ok(api.GET("/api/v1/enrol/{token}", { params: { path: { token } }, signal })),
    refetchInterval: (q) => (q.state.data?.state === "waiting" ? 3000 : false),
  });
  const gone = query.error && asProblem(query.error).status === 404 && !query.data;
  return (
    <Gate>
      {gone ? (
        <>
          <h1>{t("gone")}</h1>
          <p>{t("goneHint")}</p>
        </>
      ) : (
        <Async query={query}>
          {(e) => (e.state === "enrolled" ? <Enrolled enrolment={e} /> : <Open enrolment={e} token={token} took={(next) => (next ? client.setQueryData(key, next) : void client.invalidateQueries({ queryKey: key }))} />)}
        </Async>
      )}
    </Gate>
  );
}

/** What it is for, and the ways to do it. */
function Open({ enrolment: e, token, took }: { enrolment: Enrolment; token: string; took: (next?: Enrolment) => void }) {
  const t = useText();
  const [chosen, choose] = useState<Way>();
  const way = chosen ?? (e.device ? "device" : e.ways[0]);
  return (
    <>
      <h1>{t("title")}</h1>
      <p>{t.rich("hint", { address: <strong>{e.address}</strong> })}</p>
      <ul className="en-facts">
        <li>{t("fact.what")}</li>
        <li>{t("fact.secret")}</li>
        <li>{t("fact.end")}</li>
      </ul>
      {e.state === "failed" && <Failed enrolment={e} />}
      {e.ways.length > 1 && (
        <Segmented block aria-label={t("ways")} value={way} onChange={choose} options={e.ways.map((w) => ({ value: w, label: t(`way.${w}`) }))} style={{ marginBottom: 16 }} />
      )}
      {way === "code" && <ByBrowser token={token} />}
      {way === "device" && <ByCode token={token} enrolment={e} took={took} />}
      {way === "password" && <ByPassword token={token} enrolment={e} took={took} />}
      {way === "none" && <ByConfirming token={token} took={took} />}
      {!way && <p className="muted">{t("noWay")}</p>}
      <p className="small muted en-foot">{t.rich("until", { time: <Time at={e.expires_at} show="exact" /> })}</p>
    </>
  );
}

function Failed({ enrolment: e }: { enrolment: Enrolment }) {
  const t = useText();
  const error = new ApiProblem({ status: 0, code: "", detail: t("failed", { why: said(e.problem, t.lang) }), remedy: said(e.remedy, t.lang) });
  return <Problem error={error} style={{ marginBottom: 16 }} />;
}

/** It is done: the gateway password for mail programs, while it can be shown. */
function Enrolled({ enrolment: e }: { enrolment: Enrolment }) {
  const t = useText();
  return (
    <>
      <div className="en-done">
        <CheckCircleFilled aria-hidden />
        <h1>{t("done")}</h1>
      </div>
      <p>{t.rich("doneHint", { address: <strong>{e.address}</strong> })}</p>
      {e.gateway_password && (
        <>
          <h2 className="en-h2">{t("password")}</h2>
          <div className="en-code">
            <code>{e.gateway_password}</code>
            <Copy text={e.gateway_password} label={t("copyPassword")} />
          </div>
          <p className="small muted">{t("passwordHint")}</p>
        </>
      )}
      {!e.gateway_password && e.programs && <p className="muted">{t("passwordGone")}</p>}
      <p className="muted">{t("close")}</p>
    </>
  );
}
