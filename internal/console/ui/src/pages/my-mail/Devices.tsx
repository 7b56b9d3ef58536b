import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { Async, Empty, Panel, Time } from "@/kit";
import { useText } from "./texts";

type Device = Schemas["mail"]["Device"];

/** The programs that sent mail as me. */
export function Devices() {
  const t = useText();
  const query = useQuery({ queryKey: ["me", "devices"], queryFn: ({ signal }) => ok(api.GET("/api/v1/me/devices", { params: { query: { days: 90 } }, signal })) });
  return (
    <Panel title={t("tab.devices")} flush extra={<Link to="/me/programs">{t("programs")}</Link>}>
      <p className="muted my-pad">{t("devicesHint")}</p>
      <Async query={query} lines={4} empty={(d) => !d.items.length && <Empty title={t("noDevices")}>{t("noDevicesHint")}</Empty>}>
        {({ items }) => (
          <ul className="plain-list">
            {items.map((d) => (
              <li key={`${d.account} ${d.address} ${d.name} ${d.listener}`}>
                <div className="grow">
                  <strong>
                    <bdi>{d.name || t("nameless")}</bdi>
                  </strong>{" "}
                  <span className="mono muted">{d.address}</span>
                  <div className="muted small">
                    {d.account} · {t.rich("lastUsed", { time: <Time at={d.last_at} /> })}
                    <First of={d} />
                  </div>
                </div>
                <span className="muted small nowrap">{t("sentMails", { n: d.messages })}</span>
              </li>
            ))}
          </ul>
        )}
      </Async>
      <p className="muted small my-pad">{t("strangeDevice")}</p>
    </Panel>
  );
}

function First({ of }: { of: Device }) {
  const t = useText();
  return of.first_at && of.first_at !== of.last_at ? <> · {t.rich("firstUsed", { time: <Time at={of.first_at} /> })}</> : null;
}
