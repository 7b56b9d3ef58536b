// How one's own mail program is set up; for admins, also somebody else's, with a link to send.
import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import { useMay } from "@/app/session";
import { Async, Empty, Head, useFilters } from "@/kit";
import { ForColleague } from "./ForColleague";
import "./onboarding.css";
import { Settings } from "./Settings";
import { useText } from "./texts";

export default function MyPrograms() {
  const t = useText();
  const may = useMay();
  const [{ address }] = useFilters({ address: "" }); // a colleague's settings stand in place of one's own
  const query = useQuery({ queryKey: ["me", "onboarding"], queryFn: ({ signal }) => ok(api.GET("/api/v1/me/onboarding", { signal })) });
  const none = query.error instanceof ApiProblem && query.error.code === "no_settings";
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <div className="stack">
        {address ? null : none ? (
          <section className="panel">
            <Empty title={t("notServed")}>{t("notServedHint")}</Empty>
          </section>
        ) : (
          <Async query={query} lines={8}>
            {(o) => <Settings of={o} />}
          </Async>
        )}
        {may("accounts.read") && <ForColleague />}
      </div>
    </>
  );
}
