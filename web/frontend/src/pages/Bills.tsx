import { useInfiniteQuery } from "@tanstack/react-query";
import { list } from "../api/queries";
import type { BillHit } from "../api/types";
import { List, type Column } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { SearchBox } from "../parts/SearchBox";
import { useAsked, useTitle } from "../parts/hooks";
import { counted } from "../words/sentences";
import { clean } from "../words/text";

const ID: Column<BillHit> = { head: "Bill", kind: "number", width: 8, spare: 1, cell: (row) => row.billing_id };
const CUSTOMER: Column<BillHit> = { head: "Customer", cell: (row) => clean(row.name) };
const DESCRIPTION: Column<BillHit> = { head: "Description", cell: (row) => row.description };
const REST: Column<BillHit>[] = [
  { head: "Due", kind: "day", width: 10, cell: (row) => row.due_date },
  { head: "Days late", kind: "number", width: 9, spare: 1, cell: (row) => <DaysLate of={row.days_late} /> },
  { head: "Billed", kind: "amount", width: 12, spare: 1, amount: (row) => row.amount_billed },
  { head: "To pay", kind: "amount", width: 12, quiet: true, amount: (row) => row.amount_due },
  { head: "Last payment", kind: "day", width: 12, spare: 2, cell: (row) => row.last_payment_date },
  { head: "Deleted", kind: "day", width: 10, spare: 1, seldom: true, cell: (row) => row.cancelled_on },
];

const COLUMNS = [ID, CUSTOMER, { ...DESCRIPTION, spare: 1 as const }, ...REST];
export const BILLS_OF_ONE: Column<BillHit>[] = [ID, DESCRIPTION, ...REST];

export function isDeleted(row: BillHit): boolean {
  return row.cancelled_on !== null;
}

function DaysLate({ of }: { of: number }) {
  return of ? <span className="late">{of}</span> : null;
}

export function Bills() {
  const [asked, ask] = useAsked();
  const search = asked("search");
  const found = useInfiniteQuery(list("/api/bills", { search }));
  const first = found.data?.pages[0];
  useTitle(search ? `Bills with ${search}` : "Bills");
  return (
    <>
      <PageHead title="Bills" said={first?.total != null && counted(first.total, first.more, "bill")}>
        <SearchBox label="Customer, description or month" value={search}
          onChange={(words) => ask({ search: words }, true)} />
      </PageHead>
      <List
        caption={search ? `Bills with ${search}` : "Bills"}
        asked={found}
        columns={COLUMNS}
        id={(row) => row.billing_id}
        link={(row) => `/bills/${row.billing_id}`}
        struck={isDeleted}
        total={first?.more ? undefined : (first?.total ?? undefined)}
        empty={search ? "No bill found; try fewer words, or a month such as 2026-11." : "No bills yet."}
      />
    </>
  );
}
