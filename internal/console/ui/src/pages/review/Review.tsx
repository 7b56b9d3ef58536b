// What only people can decide: who somebody is, which contacts are one person, and whose value of a field holds.
import { Tabs } from "antd";
import { useLiveQueries } from "@/app/live";
import { Head, useFilters } from "@/kit";
import { Conflicts } from "./Conflicts";
import { Merges } from "./Merges";
import { People } from "./People";
import { countOf, useConflicts, useDuplicates, useReviews, type Paged } from "./lists";
import "./review.css";
import { useText } from "./texts";

export default function Review() {
  const t = useText();
  const [{ tab }, set] = useFilters({ tab: "people" });
  useLiveQueries(["review"], ["reviews"], ["duplicates"], ["merges"], ["conflicts"]);
  const people = useReviews("open", "");
  const pairs = useDuplicates("proposed");
  const conflicts = useConflicts("open");
  const label = <T,>(name: string, query: Paged<T>) => (
    <span>
      {name}
      <span className="review-count" data-some={Number.parseInt(countOf(query) || "0", 10) > 0 || undefined}>
        {countOf(query) || "·"}
      </span>
    </span>
  );
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <Tabs
        activeKey={["people", "merges", "conflicts"].includes(tab) ? tab : "people"}
        onChange={(key) => set({ tab: key })}
        destroyOnHidden
        items={[
          { key: "people", label: label(t("people"), people), children: <People /> },
          { key: "merges", label: label(t("merges"), pairs), children: <Merges /> },
          { key: "conflicts", label: label(t("conflicts"), conflicts), children: <Conflicts /> },
        ]}
      />
    </>
  );
}
