import { useInfiniteQuery } from "@tanstack/react-query";
import { list } from "../api/queries";
import type { EquipmentHit } from "../api/types";
import { List, type Column } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { SearchBox } from "../parts/SearchBox";
import { useAsked, useTitle } from "../parts/hooks";
import { counted } from "../words/sentences";
import { clean } from "../words/text";

const COLUMNS: Column<EquipmentHit>[] = [
  {
    head: "Serial number", kind: "code", width: 22,
    cell: (row) => clean(row.serial_number) || <span className="muted">none</span>,
  },
  { head: "Equipment", cell: (row) => row.equipment_name },
  { head: "Address", cell: (row) => row.place },
  { head: "Customer", spare: 1, cell: (row) => row.name },
  { head: "Worth", kind: "amount", width: 10, spare: 2, amount: (row) => row.cost },
];

/** Where is serial number X: the first thing a technician asks. */
export function Equipment() {
  const [asked, ask] = useAsked();
  const search = asked("search");
  const found = useInfiniteQuery(list("/api/equipment", { search }));
  const first = found.data?.pages[0];
  useTitle(search ? `Equipment with ${search}` : "Equipment");
  return (
    <>
      <PageHead title="Equipment" said={first?.total != null && counted(first.total, first.more, "equipment")}>
        <SearchBox label="Serial number, equipment, address or customer" value={search}
          onChange={(words) => ask({ search: words }, true)} />
      </PageHead>
      <List
        caption={search ? `Equipment with ${search}` : "Equipment"}
        asked={found}
        columns={COLUMNS}
        id={(row) => row.equipment_id}
        link={(row) => (row.customer_id === null ? `/equipment/${row.equipment_id}/places`
          : `/customers/${row.customer_id}?equipment=${row.equipment_id}`)}
        total={first?.more ? undefined : (first?.total ?? undefined)}
        empty={search ? "No equipment found; a part of a serial number is enough, with or without separators." :
          "No equipment yet. Add some from a customer's account."}
      />
    </>
  );
}
