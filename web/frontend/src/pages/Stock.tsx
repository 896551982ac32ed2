import { useInfiniteQuery } from "@tanstack/react-query";
import { list } from "../api/queries";
import type { Stocked } from "../api/types";
import { List, type Column } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { useTitle } from "../parts/hooks";
import { stockFooter } from "../words/sentences";
import { clean } from "../words/text";

const COLUMNS: Column<Stocked>[] = [
  { head: "Equipment", cell: (row) => row.equipment_name },
  { head: "ID", kind: "number", width: 8, spare: 1, cell: (row) => row.equipment_id },
  {
    head: "Serial number", kind: "code", width: 22,
    cell: (row) => clean(row.serial_number) || <span className="muted">none</span>,
  },
  { head: "Worth", kind: "amount", width: 10, amount: (row) => row.cost },
  { head: "Since", kind: "day", width: 10, spare: 1, cell: (row) => row.since },
];

/** What there is to be taken to a customer. */
export function Stock() {
  const found = useInfiniteQuery(list("/api/stock", {}));
  const first = found.data?.pages[0];
  useTitle("In stock");
  return (
    <>
      <PageHead title="In stock" said={first && stockFooter(first.total)} />
      <List caption="In stock" asked={found} columns={COLUMNS} id={(row) => row.equipment_id}
        link={(row) => `/equipment/${row.equipment_id}/places`} total={first?.total.devices}
        empty="Nothing is in stock." />
    </>
  );
}
