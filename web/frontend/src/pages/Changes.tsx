import { useInfiniteQuery } from "@tanstack/react-query";
import { changes } from "../api/queries";
import { usePerson } from "../api/session";
import type { StatementChange } from "../api/types";
import { ChangeInFull, What } from "../parts/ChangeWords";
import { List, type Column } from "../parts/List";
import { PageHead } from "../parts/PageHead";
import { SearchBox } from "../parts/SearchBox";
import { useAsked, useTitle } from "../parts/hooks";
import { TABLES, statementName, who } from "../words/history";
import { showMoment } from "../words/text";

const KINDS = ["added", "changed", "deleted"].map((kind) => [kind, kind] as const);

const COLUMNS: Column<StatementChange>[] = [
  { head: "When", kind: "day", width: 16, cell: (row) => showMoment(row.changed_at) },
  { head: "Who", width: 18, spare: 1, cell: (row) => who(row) },
  { head: "Change", cell: (row) => <What change={row} name={statementName(row)} /> },
];

export function Changes() {
  const [asked, ask] = useAsked();
  const { today } = usePerson();
  const query = {
    first: asked("first"), last: asked("last"), person: asked("person"), kind: asked("kind"), table: asked("table"),
  };
  const found = useInfiniteQuery(changes(query));
  useTitle("Changes");
  return (
    <>
      <PageHead title="Changes">
        <label>
          From
          <input type="date" max={today} value={query.first} onChange={(event) => ask({ first: event.target.value })} />
        </label>
        <label>
          To
          <input type="date" max={today} value={query.last} onChange={(event) => ask({ last: event.target.value })} />
        </label>
        <SearchBox label="Person" value={query.person} onChange={(person) => ask({ person }, true)} />
        <Choice name="Kind" value={query.kind} choices={KINDS} onChange={(kind) => ask({ kind })} />
        <Choice name="Of" value={query.table} choices={TABLES} onChange={(table) => ask({ table })} />
      </PageHead>
      <List
        caption="Changes, the newest first"
        asked={found}
        columns={COLUMNS}
        id={(row) => row.trail_id}
        full={(row) => <ChangeInFull change={row} name={statementName(row)} />}
        empty="No changes like that; take another day or person."
      />
    </>
  );
}

function Choice({ name, value, choices, onChange }: {
  name: string;
  value: string;
  choices: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}) {
  return (
    <label>
      {name}
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">all</option>
        {choices.map(([key, label]) => (
          <option key={key} value={key}>{label}</option>
        ))}
      </select>
    </label>
  );
}
