// What is asked of the server, and how long an answer is good for.
import {
  QueryClient, infiniteQueryOptions, keepPreviousData, queryOptions,
} from "@tanstack/react-query";
import { Refused, get, type Query } from "./client";
import type {
  Account, Bill, BillHit, Change, CustomerHit, EquipmentHit, Found, Overview, Page, Payment, PaymentHit,
  PaymentOfCustomer, Placed, Revenue, StatementChange,
} from "./types";

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
  queryFn: ({ signal }) => get<Overview>("/api/overview", {}, signal),
});

export const revenue = queryOptions({
  queryKey: ["revenue"],
  queryFn: ({ signal }) => get<Revenue>("/api/revenue", {}, signal),
  staleTime: 60_000,
});

export const account = (id: number) => one<Account>(`/api/customers/${id}`);
export const bill = (id: number) => one<Bill>(`/api/bills/${id}`);
export const payment = (id: number) => one<Payment>(`/api/payments/${id}`);
export const placed = (kind: string, id: number) => one<Placed>(`/api/${kind}/${id}`);

export const customers = (search: string) => list<Found<CustomerHit>>("/api/customers", { search });
export const bills = (search: string) => list<Found<BillHit>>("/api/bills", { search });
export const payments = (search: string) => list<Found<PaymentHit>>("/api/payments", { search });
export const equipment = (search: string) => list<Found<EquipmentHit>>("/api/equipment", { search });
export const changes = (query: Query) => list<Page<StatementChange>>("/api/changes", query);
export const billsOf = (id: number) => list<Page<BillHit>>(`/api/customers/${id}/bills`, {});
export const paymentsOf = (id: number) => list<Page<PaymentOfCustomer>>(`/api/customers/${id}/payments`, {});
export const historyOf = (id: number) => list<Page<Change> & { total: number }>(`/api/customers/${id}/history`, {});

/** Customers for the search in the header: a few, and none while nothing is typed. */
export const found = (search: string) =>
  queryOptions({
    queryKey: ["found", search],
    queryFn: ({ signal }) => get<Found<CustomerHit>>("/api/customers", { search, limit: 8 }, signal),
    enabled: search !== "",
    placeholderData: keepPreviousData,
  });

function one<T>(path: string) {
  return queryOptions({ queryKey: [path], queryFn: ({ signal }) => get<T>(path, {}, signal) });
}

export function list<T extends Page<unknown>>(path: string, query: Query) {
  return infiniteQueryOptions({
    queryKey: [path, query],
    queryFn: ({ pageParam, signal }) => get<T>(path, { ...query, limit: PAGE, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: (asked) => (asked.state.data?.pages.length ?? 0) <= ENOUGH_TO_RENEW,
  });
}

