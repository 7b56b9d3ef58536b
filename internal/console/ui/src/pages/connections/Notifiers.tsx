import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { Async, Empty, Panel } from "@/kit";
import { useText } from "./texts";
import { TrialButton } from "./Trial";

/** Channels to people: what rules and alarms are told through. */
export function Notifiers() {
  const t = useText();
  const may = useMay();
  const query = useQuery({ queryKey: ["notifiers"], queryFn: ({ signal }) => ok(api.GET("/api/v1/notifiers", { signal })) });
  return (
    <Panel title={t("notifiers")} flush>
      <Async query={query} lines={3} empty={(d) => !d.items.length && <Empty title={t("noNotifiers")}>{t("noNotifiersHint")}</Empty>}>
        {({ items }) => (
          <ul className="plain-list">
            {items.map((n) => (
              <li key={n.name} className="cn-row">
                <div className="grow">
                  <strong>{n.name}</strong>
                  <div className="small muted">{t.any(`channel.${n.type}`, n.type)}</div>
                </div>
                {may("targets.write") && (
                  <div className="row">
                    <TrialButton title={t("testOf", { name: n.name })} run={() => ok(api.POST("/api/v1/notifiers/{name}/test", { params: { path: { name: n.name } } }))}>
                      {t("test")}
                    </TrialButton>
                    <TrialButton title={t("sendTestTo", { name: n.name })} run={() => ok(api.POST("/api/v1/notifiers/{name}/test", { params: { path: { name: n.name } }, body: { send: true } }))}>
                      {t("sendTest")}
                    </TrialButton>
                  </div>
                )}
              </li>
            ))}
          </ul>
        )}
      </Async>
    </Panel>
  );
}
