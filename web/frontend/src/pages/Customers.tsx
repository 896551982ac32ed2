import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { list, suggested } from "../api/queries";
import { usePerson } from "../api/session";
import type { CustomerHit } from "../api/types";
import { RecordForm } from "../forms/RecordForm";
import { CUSTOMER } from "../forms/records";
import { List, type Column } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { SearchBox } from "../parts/SearchBox";
import { useAsked, useTitle } from "../parts/hooks";
import { counted } from "../words/sentences";
import { clean } from "../words/text";

const COLUMNS: Column<CustomerHit>[] = [
  { head: "Name", cell: (row) => clean(row.name) },
  { head: "ID", kind: "number", width: 8, spare: 1, cell: (row) => row.customer_id },
  { head: "Phone number", kind: "code", width: 20, cell: (row) => row.phone_number ?? "" },
  { head: "E-mail", spare: 1, seldom: true, cell: (row) => row.email ?? "" },
  { head: "Account number", kind: "code", width: 14, spare: 1, seldom: true, cell: (row) => row.account_number ?? "" },
  { head: "Closed", kind: "day", width: 10, seldom: true, cell: (row) => row.closed_on },
  { head: "Address", spare: 1, cell: (row) => row.address ?? "" },
];

const WITHOUT_ADDRESS = COLUMNS.filter(({ head }) => head !== "Address"); // which a search finds, and a list has not
const GLANCE = 100;

export function Customers() {
  const [asked, ask] = useAsked();
  const search = asked("search");
  const closed = !search && asked("closed") === "yes";
  // What the whole search finds, which may take a second, stands where a glance found something before.
  const glance = useQuery(suggested(search, GLANCE));
  const everything = list("/api/customers", { search, ...(closed && { closed }) });
  const found = useInfiniteQuery({
    ...everything,
    placeholderData: glance.data?.rows.length && !glance.isPlaceholderData
      ? { pages: [glance.data], pageParams: [null] }
      : everything.placeholderData,
  });
  const first = found.data?.pages[0];
  const [adding, setAdding] = useState(false);
  const navigate = useNavigate();
  const { may_change } = usePerson();
  const title = search ? `Customers with ${search}` : closed ? "Closed customers" : "Customers";
  useTitle(title);
  return (
    <>
      <PageHead title={closed ? "Closed customers" : "Customers"} said={first?.total != null && counted(first.total, first.more, "customer")}>
        <SearchBox label="Name, phone number, address or serial number" value={search}
          onChange={(words) => ask({ search: words }, true)} />
        {!search && (
          <label className="labelled">
            Accounts
            <select value={closed ? "yes" : ""} onChange={(event) => ask({ closed: event.target.value })}>
              <option value="">open</option>
              <option value="yes">closed</option>
            </select>
          </label>
        )}
        {may_change && <button type="button" onClick={() => setAdding(true)}>Add customer</button>}
      </PageHead>
      <List
        caption={title}
        asked={found}
        columns={search ? COLUMNS : WITHOUT_ADDRESS}
        id={(row) => row.customer_id}
        link={(row) => `/customers/${row.customer_id}`}
        total={first?.more ? undefined : (first?.total ?? undefined)}
        empty={search ? <NoneFound search={search} /> :
          closed ? "No customer is closed." : "No customers yet. Add the first one."}
      />
      {adding && (
        <RecordForm kind={CUSTOMER} title="Add customer" path="/api/customers" onClose={() => setAdding(false)}
          onSaved={(said, row) => void navigate(`/customers/${String(row["customer_id"])}`, { state: { said } })} />
      )}
    </>
  );
}

/** A device in stock is at no customer's: its serial number finds nobody. */
function NoneFound({ search }: { search: string }) {
  return (
    <>
      No customer found; try fewer words, or a part of one.{" "}
      <Link to={`/equipment?search=${encodeURIComponent(search)}`}>Look among equipment</Link>
    </>
  );
}
