import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { Async, Empty, Facts, Panel } from "@/kit";
import { useText } from "./texts";
import { TrialButton } from "./Trial";

/** Mail providers that the gateway stands before. */
export function Upstreams() {
  const t = useText();
  const may = useMay();
  const query = useQuery({ queryKey: ["upstreams"], queryFn: ({ signal }) => ok(api.GET("/api/v1/upstreams", { signal })) });
  const join = (list: string[]) => list.join(t.lang === "zh" ? "、" : ", ");
  return (
    <Async query={query} empty={(d) => !d.items.length && <Empty title={t("noUpstreams")}>{t("noUpstreamsHint")}</Empty>}>
      {({ items }) => (
        <div className="cn-cards">
          {items.map((u) => (
            <Panel
              key={u.name}
              title={u.name}
              extra={
                may("targets.write") && (
                  <TrialButton title={t("testOf", { name: u.name })} hint={t("testUpstreamHint")} run={() => ok(api.POST("/api/v1/upstreams/{name}/test", { params: { path: { name: u.name } } }))}>
                    {t("test")}
                  </TrialButton>
                )
              }
            >
              <Facts
                rows={[
                  [t("provider"), u.preset && t.any(`preset.${u.preset}`, u.preset)],
                  [t("domains"), u.domains.length > 0 && join(u.domains)],
                  [t("smtp"), u.smtp && <span key="s" className="mono">{u.smtp}</span>],
                  [t("imap"), u.imap && <span key="i" className="mono">{u.imap}</span>],
                  [t("signIn"), t.any(`signIn.${u.sign_in}`, u.sign_in)],
                  [t("ways"), u.ways && u.ways.length > 0 && join(u.ways.map((w) => t(`way.${w}`)))],
                ]}
              />
            </Panel>
          ))}
        </div>
      )}
    </Async>
  );
}
