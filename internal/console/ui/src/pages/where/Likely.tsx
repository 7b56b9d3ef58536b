// Why a mail may never have been seen, as a list to go through.
import { CheckSquareOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, ok, type Schemas } from "@/api/client";
import { Async, exact, Panel, State } from "@/kit";
import { useText } from "./texts";

type Reason = Schemas["mail"]["Likely"];

const help: Partial<Record<Reason["code"], string>> = {
  account_unknown: "/me/programs",
  never_opened: "/me/programs",
  not_through_gateway: "/me/programs",
  no_mail_since: "/me/programs",
  account_opted_out: "/me/mail?tab=privacy",
  account_paused: "/me/mail?tab=privacy",
};

export function Likely({ list, account }: { list: Reason[]; account?: string }) {
  const t = useText();
  return (
    <Panel title={t("likely")}>
      <ol className="likely">
        {list.map((l, i) => (
          <li key={`${l.code} ${i}`}>
            <CheckSquareOutlined aria-hidden />
            <div>
              <strong>{t.lang === "en" ? l.title : t.any(`likely.${l.code}`, l.title)}</strong> <Weight of={l.weight} />
              <Facts of={l} />
              <p className="muted">{t.lang === "en" ? l.remedy : t.any(`remedy.${l.code}`, l.remedy ?? "")}</p>
              {help[l.code] && <Link to={help[l.code]!}>{t.any(`help.${help[l.code]!.startsWith("/me/mail") ? "privacy" : "programs"}`)}</Link>}
              {l.code === "other_message_id" && account && <Link to={`/where?q=${encodeURIComponent(account)}`}>{t("help.others")}</Link>}
            </div>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

function Weight({ of }: { of: number }) {
  const t = useText();
  return of >= 70 ? <State tone="warn">{t("weight.high")}</State> : of >= 40 ? <State tone="info">{t("weight.middle")}</State> : <State>{t("weight.low")}</State>;
}

/** What is known to it: a folder, a time, an account. */
function Facts({ of }: { of: Reason }) {
  const t = useText();
  const d = of.data ?? {};
  const at = d.enrolled_at ?? d.first_at ?? d.last_at ?? d.kept_since;
  const text = [d.account, d.mailbox, at && exact(at, t.lang, false)].filter(Boolean).join(" · ");
  return text ? (
    <div className="small">
      <bdi>{text}</bdi>
    </div>
  ) : null;
}

/** Nothing of an address is here: asks why that may be. */
export function NotHere({ account, at }: { account: string; at?: string }) {
  const t = useText();
  const query = useQuery({
    queryKey: ["ledger", "story", "unseen", account, at],
    // A Message-ID that no mail has: what is asked for is the likeliest reasons.
    queryFn: ({ signal }) => ok(api.GET("/api/v1/ledger/story", { params: { query: { message_id: `none.${account}`, account, sent_at: at } }, signal })),
  });
  return (
    <div style={{ padding: 16 }}>
      <p>
        <strong>{at ? t("nothingThen", { account }) : t("nothingOf", { account })}</strong>
      </p>
      <Async query={query} lines={4}>
        {(s) => <Likely list={s.likely} />}
      </Async>
    </div>
  );
}
