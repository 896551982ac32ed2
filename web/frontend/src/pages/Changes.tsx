import { useInfiniteQuery } from "@tanstack/react-query";
import { list } from "../api/queries";
import { CHANGES, ChangeInFull } from "../parts/ChangeWords";
import { DayInput } from "../parts/DayInput";
import { List } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { SearchBox } from "../parts/SearchBox";
import { useAsked, useTitle } from "../parts/hooks";

const KINDS = { added: "added", changed: "changed", deleted: "deleted" };
// As the trail names them, and what their records are called.
const TABLES = {
  customers: "customers", locations: "locations", services: "services", equipment: "equipment", billing: "bills",
  payments: "payments", customer_notes: "notes", service_pauses: "pauses", price_changes: "changes of price",
  equipment_moves: "moves",
};

export function Changes() {
  const [asked, ask] = useAsked();
  const query = {
    first: asked("first"), last: asked("last"), person: asked("person"), kind: chosen(KINDS, asked("kind")),
    table: chosen(TABLES, asked("table")),
  };
  const found = useInfiniteQuery(list("/api/changes", query));
  useTitle("Changes");
  return (
    <>
      <PageHead title="Changes">
        <span className="labelled">
          <label htmlFor="first">From</label>
          <DayInput id="first" placeholder="any day" value={query.first} onChange={(first) => ask({ first })} />
        </span>
        <span className="labelled">
          <label htmlFor="last">To</label>
          <DayInput id="last" placeholder="today" value={query.last} onChange={(last) => ask({ last })} />
        </span>
        <SearchBox label="Person" value={query.person} onChange={(person) => ask({ person }, true)} />
        <Choice name="Kind" value={query.kind} choices={KINDS} onChange={(kind) => ask({ kind })} />
        <Choice name="Of" value={query.table} choices={TABLES} onChange={(table) => ask({ table })} />
      </PageHead>
      <List
        caption="Changes, the newest first"
        asked={found}
        columns={CHANGES}
        id={(row) => row.trail_id}
        full={(row) => <ChangeInFull change={row} />}
        empty="No changes like that; take another day or person."
      />
    </>
  );
}

/** Return a choice that an address names, if there is such a one. */
function chosen<C extends object>(choices: C, name: string): keyof C | "" {
  return name in choices ? (name as keyof C) : "";
}

function Choice({ name, value, choices, onChange }: {
  name: string;
  value: string;
  choices: Record<string, string>;
  onChange: (value: string) => void;
}) {
  return (
    <label className="labelled">
      {name}
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">all</option>
        {Object.entries(choices).map(([key, label]) => (
          <option key={key} value={key}>{label}</option>
        ))}
      </select>
    </label>
  );
}
