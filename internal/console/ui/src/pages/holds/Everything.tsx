// The switch for all rules: what stops, what goes on, how much that is, and who threw it.
import { CheckOutlined, PauseOutlined, StopFilled } from "@ant-design/icons";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { ConfirmAction } from "@/kit";
import { HeldBy, Release } from "./Holds";
import { useText } from "./texts";

const most = 200;

export function Everything({ on, hold }: { on: boolean; hold: Schemas["automation"]["Hold"] | undefined }) {
  const t = useText();
  const may = useMay();
  const client = useQueryClient();
  const n = useConcerned();
  const stop = (reason: string) => ok(api.POST("/api/v1/holds", { body: { scope: "all", reason } })).then(() => Promise.all([client.invalidateQueries({ queryKey: ["holds"] }), client.invalidateQueries({ queryKey: ["outbox"] }), client.invalidateQueries({ queryKey: ["rules"] })]));
  return (
    <section className="panel kill" data-on={on || undefined} aria-labelledby="kill">
      <div className="kill-head">
        <StopFilled aria-hidden />
        <div className="grow">
          <h2 id="kill">{t(on ? "all.on" : "all.off")}</h2>
          {on && hold ? (
            <>
              <p>{hold.reason}</p>
              <HeldBy hold={hold} />
            </>
          ) : (
            <p className="muted">{t("all.hint")}</p>
          )}
        </div>
        {may("rules.hold") &&
          (on && hold ? (
            <Release hold={hold} name="" large />
          ) : (
            <ConfirmAction title={t("stop.title")} text={n ? t("stop.numbers", n) : t("stop.text")} reason="required" danger confirm={t("stop")} button={{ type: "primary", size: "large", icon: <PauseOutlined aria-hidden /> }} action={stop}>
              {t("stop")}
            </ConfirmAction>
          ))}
      </div>
      <div className="kill-sides">
        <div>
          <h3>{t(on ? "stopped" : "stops")}</h3>
          <ul>
            {(["stops.rules", "stops.steps", "stops.mail"] as const).map((k) => (
              <li key={k}>
                <PauseOutlined aria-hidden style={{ color: "var(--hg-bad)" }} /> {t(k)}
              </li>
            ))}
          </ul>
          {n && (
            <p className="muted small">
              {t("concerned", n)} {may("outbox.read") && <Link to="/outbox">{t("toOutbox")}</Link>}
            </p>
          )}
        </div>
        <div>
          <h3>{t("goesOn")}</h3>
          <ul>
            {(["goesOn.people", "goesOn.capture", "goesOn.events", "goesOn.lost"] as const).map((k) => (
              <li key={k}>
                <CheckOutlined aria-hidden style={{ color: "var(--hg-good)" }} /> {t(k)}
              </li>
            ))}
          </ul>
        </div>
      </div>
    </section>
  );
}

const upTo = (items: unknown[], next: string | undefined) => (next ? `${items.length}+` : String(items.length));

/** How many rules, runs and messages the switch is about; as far as the caller sees them. */
function useConcerned(): { rules: string; runs: string; mails: string } | undefined {
  const may = useMay();
  const rules = useQuery({ queryKey: ["holds-of", "rules"], queryFn: ({ signal }) => ok(api.GET("/api/v1/rules", { params: { query: { state: ["live", "shadow"], limit: most } }, signal })) });
  const runs = useQuery({ queryKey: ["holds-of", "runs"], queryFn: ({ signal }) => ok(api.GET("/api/v1/runs", { params: { query: { state: ["running", "waiting"], limit: most } }, signal })) });
  const mails = useQuery({ queryKey: ["holds-of", "mails"], enabled: may("outbox.read"), queryFn: ({ signal }) => ok(api.GET("/api/v1/outbox", { params: { query: { automated: true, limit: most } }, signal })) });
  if (!rules.data || !runs.data || !mails.data) return undefined;
  return { rules: upTo(rules.data.items, rules.data.next), runs: upTo(runs.data.items, runs.data.next), mails: upTo(mails.data.items, mails.data.next) };
}
