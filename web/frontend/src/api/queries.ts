// What is asked of the server, and how long an answer is good for.
import { QueryClient, infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { Refused, get } from "./client";
import type { Answer, Asked, Listed, Page, Readable } from "./types";

const PAGE = 200;
const FRESH = 20_000;
const ENOUGH_TO_RENEW = 3; // pages of a list that are read again when the page is looked at again

export function newQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: FRESH,
        gcTime: 15 * 60_000,
        networkMode: "always", // the server may run on this very machine, which has no network then
        retry: (count, error) => count < 1 && error instanceof Refused && error.unknown,
        retryDelay: 400,
      },

    },
  });
}

export const overview = queryOptions({
  queryKey: ["overview"],
  queryFn: ({ signal }) => get("/api/overview", { signal }),
});

/** Sums over the whole books, which the server keeps for as long. */
export const revenue = queryOptions({
  queryKey: ["revenue"],
  queryFn: ({ signal }) => get("/api/revenue", { signal }),
  staleTime: 60_000,
});

/** A few customers with these words, at once: what the indexes find first; none while nothing is typed. */
export const suggested = (search: string, limit: number) =>
  queryOptions({
    queryKey: ["suggested", search, limit],
    queryFn: ({ signal }) => get("/api/customers", { query: { search, limit, quick: true }, signal }),
    enabled: search !== "",
    placeholderData: keepPreviousData,
  });

/** One record, by its ID; none is asked for where that is no number. */
export function one<P extends Readable>(path: P, id: number) {
  return queryOptions({
    queryKey: [path, id],
    queryFn: ({ signal }) => get(path, { id, signal }),
    enabled: Number.isSafeInteger(id) && id > 0,
  });
}

/** A list, a page at a time; of a path with a parameter, that of the record with that ID. */
export function list<P extends Listed>(path: P, query: Asked<P>, id?: number) {
  return infiniteQueryOptions({
    queryKey: [path, id, query],
    queryFn: ({ pageParam, signal }) => {
      const asked = { ...query, limit: PAGE, cursor: pageParam } as Asked<P>;
      return get<P>(path, { query: asked, signal, ...(id === undefined ? {} : { id }) });
    },
    initialPageParam: null as string | null,
    getNextPageParam: (last: Answer<P>) => (last as Page<unknown>).next,
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: (asked) => (asked.state.data?.pages.length ?? 0) <= ENOUGH_TO_RENEW,
  });
}
