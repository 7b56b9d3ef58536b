// The three queues, as pages of 100.
import { useInfiniteQuery, type InfiniteData, type UseInfiniteQueryResult } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";

export type Review = Schemas["operations"]["Review"];
export type Duplicate = Schemas["operations"]["Duplicate"];
export type Merge = Schemas["operations"]["Merge"];
export type Conflict = Schemas["operations"]["Conflict"];

export interface PageOf<T> {
  items: T[];
  next?: string;
}
export type Paged<T> = UseInfiniteQueryResult<InfiniteData<PageOf<T>>>;

const limit = 100;
const everySoOften = 10_000; // no event tells of new pairs and conflicts: they come when the copy of the CRM's contacts follows it
const paging = { initialPageParam: "", getNextPageParam: (last: { next?: string }) => last.next || undefined };

export const useReviews = (state: "open" | "decided", q: string): Paged<Review> =>
  useInfiniteQuery({
    ...paging,
    queryKey: ["reviews", state, q],
    queryFn: ({ pageParam, signal }) => ok(api.GET("/api/v1/reviews", { params: { query: { state, q: q || undefined, limit, cursor: pageParam || undefined } }, signal })),
    placeholderData: (before) => before,
  });

export const useDuplicates = (state: "proposed" | "dismissed"): Paged<Duplicate> =>
  useInfiniteQuery({
    ...paging,
    queryKey: ["duplicates", state],
    refetchInterval: everySoOften,
    queryFn: ({ pageParam, signal }) => ok(api.GET("/api/v1/duplicates", { params: { query: { state, limit, cursor: pageParam || undefined } }, signal })),
  });

export const useMerges = (): Paged<Merge> =>
  useInfiniteQuery({
    ...paging,
    queryKey: ["merges"],
    queryFn: ({ pageParam, signal }) => ok(api.GET("/api/v1/merges", { params: { query: { limit, cursor: pageParam || undefined } }, signal })),
  });

export const useConflicts = (state: "open" | "all"): Paged<Conflict> =>
  useInfiniteQuery({
    ...paging,
    queryKey: ["conflicts", state],
    refetchInterval: everySoOften,
    queryFn: ({ pageParam, signal }) => ok(api.GET("/api/v1/conflicts", { params: { query: { state, limit, cursor: pageParam || undefined } }, signal })),
  });

export const itemsOf = <T,>(query: Paged<T>): T[] => query.data?.pages.flatMap((p) => p.items) ?? [];

/** How many there are, as far as is known: "100+". */
export function countOf<T>(query: Paged<T>): string {
  if (!query.data) return "";
  return `${itemsOf(query).length}${query.hasNextPage ? "+" : ""}`;
}

/** The domain of an address, or of "@domain". */
export const domainOf = (subject: string) => subject.slice(subject.lastIndexOf("@") + 1);
