import { LinkOutlined } from "@ant-design/icons";
import { AutoComplete, Button } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Async, ConfirmAction, Copy, Panel, Time, useFilters, useTyped } from "@/kit";
import { Settings } from "./Settings";
import { useText } from "./texts";

/** Somebody else's settings, and a link that shows them once. */
export function ForColleague() {
  const t = useText();
  const may = useMay();
  const [{ address }, set] = useFilters({ address: "" });
  const [typed, type] = useTyped(address, (v) => set({ address: v.trim() }));
  const [link, setLink] = useState<Schemas["exchange"]["OnboardingLink"] & { address: string }>();
  const whole = /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(address);
  const accounts = useQuery({ queryKey: ["accounts", "names"], queryFn: ({ signal }) => ok(api.GET("/api/v1/accounts", { params: { query: { limit: 200 } }, signal })) });
  const settings = useQuery({
    queryKey: ["accounts", "onboarding", address],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/accounts/{address}/onboarding", { params: { path: { address } }, signal })),
    enabled: whole,
  });
  const make = async () => setLink({ ...(await ok(api.POST("/api/v1/accounts/{address}/onboarding/link", { params: { path: { address } } }))), address });
  return (
    <>
      <Panel title={t("colleague")}>
        <p style={{ marginTop: 0 }}>{t("colleagueHint")}</p>
        <div className="row">
          <label htmlFor="colleague" className="unseen">
            {t("address")}
          </label>
          <AutoComplete
            id="colleague"
            className="onboarding-address"
            value={typed}
            onChange={type}
            onSelect={(v: string) => set({ address: v })}
            options={accounts.data?.items.map((a) => ({ value: a.address }))}
            showSearch={{ filterOption: (q, o) => String(o?.value).includes(q.toLowerCase()) }}
            placeholder={t("address")}
            maxLength={320}
          />
          {may("accounts.write") && (
            <ConfirmAction title={t("makeLink")} text={t("makeLinkHint", { address })} button={{ icon: <LinkOutlined aria-hidden />, disabled: !whole || settings.isError, type: "primary" }} action={make}>
              {t("makeLink")}
            </ConfirmAction>
          )}
        </div>
        {link && link.address === address && (
          <div className="onboarding-link" role="status">
            <div className="row" style={{ flexWrap: "nowrap" }}>
              <code>{link.url}</code>
              <Copy text={link.url} label={t("copyLink")} />
            </div>
            <span className="small muted">{t.rich("linkUntil", { time: <Time at={link.expires_at} /> })}</span>
            <Button size="small" href={`mailto:${link.address}?subject=${encodeURIComponent(t("mailSubject"))}&body=${encodeURIComponent(t("mailBody", { url: link.url }))}`}>
              {t("mailLink")}
            </Button>
          </div>
        )}
      </Panel>
      {whole && (
        <section aria-label={t("settingsOf", { address })} className="stack">
          <h2 className="onboarding-h2">{t("settingsOf", { address })}</h2>
          <Async query={settings} lines={6}>
            {(o) => <Settings of={o} />}
          </Async>
        </section>
      )}
    </>
  );
}
