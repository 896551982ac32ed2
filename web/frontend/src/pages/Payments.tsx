import { useInfiniteQuery } from "@tanstack/react-query";
import { list } from "../api/queries";
import type { PaymentHit } from "../api/types";
import { List, type Column } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { SearchBox } from "../parts/SearchBox";
import { useAsked, useTitle } from "../parts/hooks";
import { counted, howPaid } from "../words/sentences";
import { clean } from "../words/text";

const COLUMNS: Column<PaymentHit>[] = [
  { head: "Payment", kind: "number", width: 8, spare: 1, cell: (row) => row.payment_id },
  { head: "Customer", cell: (row) => clean(row.name) },
  { head: "Paid on", kind: "day", width: 10, cell: (row) => row.paid_on },
  { head: "Amount", kind: "amount", width: 12, amount: (row) => row.amount },
  { head: "Method", width: 16, spare: 1, cell: howPaid },
  { head: "Reference", spare: 1, cell: (row) => row.reference ?? row.reason ?? "" },
  { head: "Void since", kind: "day", width: 10, spare: 1, cell: (row) => row.voided_on },
];

export function Payments() {
  const [asked, ask] = useAsked();
  const search = asked("search");
  const found = useInfiniteQuery(list("/api/payments", { search }));
  const first = found.data?.pages[0];
  useTitle(search ? `Payments with ${search}` : "Payments");
  return (
    <>
      <PageHead title="Payments" said={first?.total != null && counted(first.total, first.more, "payment")}>
        <SearchBox label="Customer, reference, date or amount" value={search}
          onChange={(words) => ask({ search: words }, true)} />
      </PageHead>
      <List
        caption={search ? `Payments with ${search}` : "Payments"}
        asked={found}
        columns={COLUMNS}
        id={(row) => row.payment_id}
        link={(row) => `/payments/${row.payment_id}`}
        struck={(row) => row.voided_on !== null}
        total={first?.more ? undefined : (first?.total ?? undefined)}
        empty={search ? "No payment found; try a reference, a date or an amount." :
          "No payments yet. Record one from a customer's account."}
      />
    </>
  );
}
