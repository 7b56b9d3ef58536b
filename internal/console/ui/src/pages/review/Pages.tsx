import { Button } from "antd";
import type { ReactNode } from "react";
import { Loading, Problem } from "@/kit";
import { itemsOf, type Paged } from "./lists";
import { useText } from "./texts";

/** Shows a queue in each of its states. */
export function Pages<T>({ query, empty, children }: { query: Paged<T>; empty: ReactNode; children: (items: T[]) => ReactNode }) {
  const t = useText();
  const again = () => void query.refetch();
  if (query.data === undefined) return query.error ? <Problem error={query.error} again={again} style={{ margin: 16 }} /> : <Loading lines={8} />;
  const items = itemsOf(query);
  return (
    <>
      {query.error && <Problem error={query.error} again={again} style={{ margin: 16 }} />}
      {items.length ? children(items) : empty}
      {query.hasNextPage && (
        <div className="review-more">
          <Button onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
            {t("more")}
          </Button>
        </div>
      )}
    </>
  );
}
