import { useInfiniteQuery } from "@tanstack/react-query";
import { address } from "../api/client";
import { list } from "../api/queries";
import type { AgedCustomer, AgedTotal, Ages } from "../api/types";
import { Amount } from "../parts/Amount";
import { AsOf } from "../parts/AsOf";
import { Csv } from "../parts/Csv";
import { List, type Column } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { SearchBox } from "../parts/SearchBox";
import { useAsked, useTitle } from "../parts/hooks";
import { agingTitle, orderOf } from "../words/sentences";
import { clean, plural } from "../words/text";

const age = (head: string, key: keyof Ages, spare?: 1): Column<AgedCustomer> => ({
  head, kind: "amount", width: 10, wide: 0, quiet: true, amount: (row) => row[key], ...(spare && { spare }),
});

const COLUMNS: Column<AgedCustomer>[] = [
  { head: "Customer", wide: 32, sort: "name", cell: (row) => clean(row.name) },
  { head: "Oldest due", kind: "day", width: 12, wide: 0, sort: "oldest", spare: 2, cell: (row) => row.oldest_due_date },
  age("Current", "not_due", 1),
  age("1-30", "days_30", 1),
  age("31-60", "days_60", 1),
  age("61-90", "days_90", 1),
  age("Over 90", "older"),
  { ...age("Total", "total"), sort: "amount", width: 11 },
];

export function Aging() {
  const [asked, ask] = useAsked();
  const query = { as_of: asked("as_of"), sort: orderOf(asked("sort")), search: asked("search") };
  const aged = useInfiniteQuery(list("/api/aging", query));
  const first = aged.data?.pages[0];
  useTitle(query.as_of ? `Owed by age as of ${query.as_of}` : "Owed by age");
  return (
    <>
      <PageHead title="Owed by age" said={first && (query.search && !first.total.customers ? "Nobody who owes is found by that." :
        agingTitle(first.total))}>
        <SearchBox label="Search who owes" value={query.search} onChange={(search) => ask({ search }, true)} />
        <AsOf value={query.as_of} shown={aged.isPlaceholderData ? undefined : first?.as_of}
          onChange={(as_of) => ask({ as_of })} />
        <Csv href={address("/api/aging.csv", query)} />
      </PageHead>
      {first && <Totals total={first.total} />}
      <List
        caption={`What customers owe by days late, as of ${first?.as_of ?? "today"}`}
        asked={aged}
        columns={COLUMNS}
        id={(row) => row.customer_id}
        link={(row) => `/customers/${row.customer_id}`}
        sort={query.sort}
        onSort={(sort) => ask({ sort: sort === "oldest" ? "" : sort })}
        total={first?.total.customers}
        empty={query.search ? "Nobody who owes is found by that; try fewer words." : "Nobody owes anything."}
      />
    </>
  );
}

const PARTS: [string, keyof Ages][] = [
  ["Current", "not_due"], ["1-30", "days_30"], ["31-60", "days_60"], ["61-90", "days_90"], ["Over 90", "older"],
  ["Total", "total"],
];

function Totals({ total }: { total: AgedTotal }) {
  return (
    <dl className="figures">
      <div>
        <dt>Owe</dt>
        <dd>{plural(total.customers, "customer")}</dd>
      </div>
      {PARTS.map(([name, key]) => (
        <div key={key}>
          <dt>{name}</dt>
          <dd><Amount of={total[key]} /></dd>
        </div>
      ))}
    </dl>
  );
}
