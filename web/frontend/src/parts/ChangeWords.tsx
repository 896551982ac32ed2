import { Link } from "react-router";
import type { Change, StatementChange } from "../api/types";
import { inFull, recordName, what, who } from "../words/history";
import { useMedia } from "./hooks";

/** Say what was changed, on one line; on a phone, which has no column for that, by whom, too. */
export function What({ change, name }: { change: Change | StatementChange; name: string }) {
  const phone = useMedia("(max-width: 640px)");
  return <>{phone ? `${who(change)}: ${what(change, name)}` : what(change, name)}</>;
}

/** Show a change in full, with the way to its record, if that is there. */
export function ChangeInFull({ change, name }: { change: Change | StatementChange; name: string }) {
  const full = name || recordName(change.table_name, change.record_id ?? "", change.record);
  const page = pageOf(change);
  return (
    <div className="full">
      {inFull(change, full).map((line, i) => (
        <p key={i}>{line}</p>
      ))}
      {page && <p><Link to={page}>Open it</Link></p>}
    </div>
  );
}

const PAGES: Record<string, string> = {
  customers: "customers", payments: "payments", billing: "bills", locations: "locations", services: "services",
  equipment: "equipment",
};

function pageOf(change: Change | StatementChange): string | null {
  const page = PAGES[change.table_name];
  return page && change.record_id && change.record && change.kind !== "deleted" ? `/${page}/${change.record_id}` : null;
}
