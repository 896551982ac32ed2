import { useInfiniteQuery } from "@tanstack/react-query";
import { address } from "../api/client";
import { list } from "../api/queries";
import type { LateCustomer } from "../api/types";
import { AsOf } from "../parts/AsOf";
import { Csv } from "../parts/Csv";
import { List, type Column } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { SearchBox } from "../parts/SearchBox";
import { useAsked, useTitle } from "../parts/hooks";
import { lateFooter, orderOf, promiseSaid } from "../words/sentences";
import { clean } from "../words/text";

const COLUMNS: Column<LateCustomer>[] = [
  { head: "Customer", sort: "name", cell: (row) => clean(row.name) },
  { head: "Phone number", kind: "code", width: 20, spare: 1, cell: (row) => row.phone_number ?? "" },
  { head: "Closed", kind: "day", width: 10, seldom: true, cell: (row) => row.closed_on },
  { head: "Late", kind: "amount", width: 12, sort: "amount", amount: (row) => row.amount_late },
  { head: "Oldest due", kind: "day", width: 12, sort: "oldest", spare: 1, cell: (row) => row.oldest_due_date },
  { head: "Days", kind: "number", width: 6, cell: (row) => <span className="late">{row.days_late}</span> },
  { head: "Last paid", kind: "day", width: 10, spare: 2, cell: (row) => row.last_payment_date },
  { head: "Promise", spare: 1, seldom: true, cell: (row) => row.promise && promiseSaid(row.promise) },
];

export function Late() {
  const [asked, ask] = useAsked();
  const query = { as_of: asked("as_of"), sort: orderOf(asked("sort")), search: asked("search") };
  const late = useInfiniteQuery(list("/api/late", query));
  const first = late.data?.pages[0];
  useTitle(query.as_of ? `Late customers as of ${query.as_of}` : "Late customers");
  return (
    <>
      <PageHead title="Late customers" said={first && (query.search && !first.total.customers ? "None of the late is found by that." :
        lateFooter(first.total))}>
        <SearchBox label="Search the late" value={query.search} onChange={(search) => ask({ search }, true)} />
        <AsOf value={query.as_of} shown={late.isPlaceholderData ? undefined : first?.as_of}
          onChange={(as_of) => ask({ as_of })} />
        <Csv href={address("/api/late.csv", query)} />
      </PageHead>
      <List
        caption={`Customers late on payments, as of ${first?.as_of ?? "today"}`}
        asked={late}
        columns={COLUMNS}
        id={(row) => row.customer_id}
        link={(row) => `/customers/${row.customer_id}`}
        sort={query.sort}
        onSort={(sort) => ask({ sort: sort === "oldest" ? "" : sort })}
        total={first?.total.customers}
        empty={query.search ? "Nobody late is found by that; try fewer words." : "Nobody is late."}
      />
    </>
  );
}
