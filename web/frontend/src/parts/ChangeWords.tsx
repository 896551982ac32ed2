// The trail, in the server's words.
import { Link } from "react-router";
import type { Change } from "../api/types";
import { clean, showMoment } from "../words/text";
import { useMedia } from "./hooks";
import type { Column } from "./List";

export const CHANGES: Column<Change>[] = [
  { head: "When", kind: "day", width: 16, cell: (row) => showMoment(row.changed_at) },
  { head: "Who", width: 18, spare: 1, cell: (row) => who(row) },
  { head: "Change", cell: (row) => <What change={row} /> },
];

function who(change: Change): string {
  return clean(`${change.person} ${change.program}`.trim());
}

/** Say what was changed, on one line; on a phone, which has no column for that, by whom, too. */
function What({ change }: { change: Change }) {
  const phone = useMedia("(max-width: 640px)");
  return <>{clean(phone ? `${who(change)}: ${change.what}` : change.what)}</>;
}

/** Show a change in full, with the way to its record, if that may be there. */
export function ChangeInFull({ change }: { change: Change }) {
  const page = pageOf(change);
  const login = change.person === change.login ? "" : `, with the login ${change.login}`;
  return (
    <div className="full">
      <p>{clean(`${change.changed_at.slice(0, 19).replace("T", " ")}, by ${who(change)}${login}`)}</p>
      {change.reason && <p>For {clean(change.reason)}</p>}
      {change.fields.map(({ label, before, after }) => (
        <p key={label}>{clean(`${label}: ${fieldSaid(change.kind, before, after)}`)}</p>
      ))}
      {page && <p><Link to={page}>Open it</Link></p>}
    </div>
  );
}

function fieldSaid(kind: string, before: string | null, after: string | null): string {
  return kind === "changed" ? `${before} → ${after}` : (after ?? before ?? "none");
}

const PAGES: Record<string, string> = {
  customers: "customers", payments: "payments", billing: "bills", locations: "locations", services: "services",
  equipment: "equipment",
};

function pageOf(change: Change): string | null {
  const page = PAGES[change.table_name];
  return page && change.record_id && change.kind !== "deleted" ? `/${page}/${change.record_id}` : null;
}
