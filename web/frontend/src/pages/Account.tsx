import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { Link, useLocation, useParams } from "react-router";
import { list, one } from "../api/queries";
import { usePerson } from "../api/session";
import type { Account as Shown, BillHit, Note, PaymentOfCustomer, SiteEquipment, Values } from "../api/types";
import { CreditDialog } from "../forms/CreditForm";
import { MoveDialog } from "../forms/MoveForm";
import { NoteDialog } from "../forms/NoteForm";
import { PaymentDialog } from "../forms/PaymentForm";
import { RecordForm } from "../forms/RecordForm";
import { CUSTOMER, LOCATION, type RecordKind } from "../forms/records";
import { Amount } from "../parts/Amount";
import { CHANGES, ChangeInFull } from "../parts/ChangeWords";
import { List, type Column } from "../parts/List";
import { Saved } from "../parts/Saved";
import { Failed, Loading, Old } from "../parts/State";
import { useAsked, useMedia, useTitle } from "../parts/hooks";
import { capital, closedSaid, howPaid, noteSaid, promiseSaid, promised } from "../words/sentences";
import { clean } from "../words/text";
import { BILLS_OF_ONE, isDeleted } from "./Bills";
import { NotFound } from "./NotFound";
import { LatestNotes, PromiseState } from "./Notes";
import { Sites, type Ask } from "./Sites";
import { PaidBills, UnpaidBills } from "./Unpaid";

const TABS = [
  ["", "Account"], ["bills", "All bills"], ["payments", "Payments"], ["notes", "Notes"], ["history", "History"],
] as const;

export function Account() {
  const id = Number(useParams()["id"]);
  const asked = useQuery(one("/api/customers/{customer_id}", id));
  useTitle(asked.data ? clean(asked.data.name) : "Customer");
  if (!Number.isSafeInteger(id) || id < 1) return <NotFound />;
  if (asked.isPending) return <Loading rows={10} />;
  if (!asked.data) return <Failed page error={asked.error} again={() => void asked.refetch()} />;
  return (
    <>
      <Old asked={asked} />
      <Found key={id} shown={asked.data} />
    </>
  );
}

/** A form of a record that is open over the account. */
interface OfRecord {
  kind: RecordKind;
  title: string;
  path: string;
  seen?: Values;
}

type Open = OfRecord | "payment" | "credit note" | "note" | { device: SiteEquipment; location: number };

function Found({ shown }: { shown: Shown }) {
  const id = shown.customer_id;
  const [asked] = useAsked();
  const tab = asked("tab");
  const { may_change } = usePerson();
  // Nothing is theirs any more who turned out to be another, and nothing is added to a closed account.
  const mayChange = may_change && shown.merged_into === null;
  const mayAdd = mayChange && shown.closed_on === null;
  const [said, setSaid] = useSaid();
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  const saved = (sentence: string) => {
    setSaid(sentence);
    close();
  };

  const show = (form: Open) => {
    setSaid("");
    setOpen(form);
  };
  const ask: Ask = {
    addTo: mayAdd && ((kind, location) =>
      show({ kind, title: `Add ${kind.noun}`, path: `/api/locations/${location}/${kind.path}` })),
    change: (kind, row) =>
      show({ kind, title: `Update ${kind.noun}`, path: `/api/${kind.path}/${row[kind.key]}`, seen: row }),
    move: (device, location) => show({ device, location }),
  };
  const { name, phone_number, email, account_number } = shown;
  const customer = { customer_id: id, name, phone_number, email, account_number };
  return (
    <>
      <Head shown={shown}>
        {mayChange && (
          <div className="actions">
            <button type="button" className="main" onClick={() => show("payment")}>Record payment</button>
            <button type="button" onClick={() => show("credit note")}>Credit note</button>
            <button type="button" onClick={() => show("note")}>Note or promise</button>
            <button type="button" onClick={() => ask.change(CUSTOMER, customer)}>Update customer</button>
            {mayAdd && (
              <button type="button" onClick={() =>
                show({ kind: LOCATION, title: "Add location", path: `/api/customers/${id}/locations` })}>
                Add location
              </button>
            )}
          </div>
        )}
      </Head>
      <Saved said={said} />
      <nav className="tabs" aria-label="Parts of the account">
        {TABS.map(([name, label]) => (
          <Link key={name} to={name ? `?tab=${name}` : "?"} aria-current={tab === name ? "page" : undefined}>
            {label}
          </Link>
        ))}
      </nav>
      {tab === "bills" ? <AllBills id={id} />
        : tab === "payments" ? <AllPayments id={id} />
        : tab === "notes" ? <AllNotes id={id} />
        : tab === "history" ? <History id={id} />
        : <Whole shown={shown} ask={mayChange ? ask : null} looked={asked("equipment")} />}
      {open && <Form open={open} shown={shown} onClose={close} onSaved={saved} />}
    </>
  );
}

function Form({ open, shown, onClose, onSaved }: {
  open: Open;
  shown: Shown;
  onClose: () => void;
  onSaved: (sentence: string) => void;
}) {
  const { customer_id: customerId, name } = shown;
  if (open === "payment") return <PaymentDialog customerId={customerId} name={name} onClose={onClose} />;
  if (open === "credit note") return <CreditDialog customerId={customerId} name={name} onClose={onClose} />;
  if (open === "note") return <NoteDialog account={shown} onClose={onClose} onSaved={onSaved} />;
  if ("device" in open) {
    const device = { ...open.device, location_id: open.location, retired_on: null };
    return <MoveDialog device={device} locations={shown.locations} onClose={onClose} onMoved={onSaved} />;
  }
  return <RecordForm {...open} onClose={onClose} onSaved={onSaved} />;
}

/** What was said last of a write; that of the page before this one comes along with the address. */
function useSaid() {
  const location = useLocation();
  const handed = (location.state as { said?: string } | null)?.said ?? "";
  const [said, setSaid] = useState(handed);
  useEffect(() => setSaid(handed), [handed, location.key]);
  return [said, setSaid] as const;
}

function Head({ shown, children }: { shown: Shown; children: ReactNode }) {
  const late = shown.unpaid_bills.some((bill) => bill.days_late);
  return (
    <div className="account-head">
      <div>
        <h1>{clean(shown.name)}</h1>
        <p className="muted">
          Customer {shown.customer_id} ·{" "}
          <span className="code">{clean(shown.phone_number) || "no phone number"}</span> ·
          <span className="day"> since {shown.customer_since}</span>
        </p>
        {shown.email && <p className="muted">E-mail {clean(shown.email)}</p>}
        {shown.account_number && (
          <p className="muted">Account number <span className="code">{clean(shown.account_number)}</span></p>
        )}
        <Marks shown={shown} />
      </div>
      <dl className="figures">
        <div>
          <dt>Monthly total</dt>
          <dd><Amount of={shown.monthly_total} /></dd>
        </div>
        <div>
          <dt>To pay</dt>
          <dd className={late ? "late" : undefined}><Amount of={shown.amount_due} /></dd>
        </div>
        <div>
          <dt>Credit</dt>
          <dd><Amount of={shown.credit} /></dd>
        </div>
      </dl>
      {children}
    </div>
  );
}

/** What is not as with others: an account that is closed, and what was promised. */
function Marks({ shown }: { shown: Shown }) {
  const { customer_id, merged_into, promise } = shown;
  return (
    <>
      {merged_into !== null ? (
        <p className="mark">
          Customer {customer_id} was merged into <Link to={`/customers/${merged_into}`}>customer {merged_into}</Link>.
        </p>
      ) : (
        shown.closed_on && <p className="mark">{closedSaid(shown)}</p>
      )}
      {promise && (
        <p className={promise.state === "broken" ? "mark late" : "mark"}>{capital(promiseSaid(promise))}.</p>
      )}
    </>
  );
}

function Whole({ shown, ask, looked }: { shown: Shown; ask: Ask | null; looked: string }) {
  return (
    <div className="account">
      <section>
        <h2>Unpaid bills</h2>
        <UnpaidBills bills={shown.unpaid_bills} />
        <PaidBills bills={shown.paid_bills} count={shown.paid_bill_count} />
        <LatestNotes notes={shown.notes} count={shown.note_count} />
      </section>
      <section>
        <h2>Locations</h2>
        <Sites sites={shown.locations} ask={ask} looked={looked} />
      </section>
    </div>
  );
}

function AllBills({ id }: { id: number }) {
  const asked = useInfiniteQuery(list("/api/customers/{customer_id}/bills", {}, id));
  return (
    <List<BillHit> caption="All bills" asked={asked} columns={BILLS_OF_ONE} id={(row) => row.billing_id}
      link={(row) => `/bills/${row.billing_id}`} struck={isDeleted} empty="No bills yet." />
  );
}

const PAYMENTS: Column<PaymentOfCustomer>[] = [
  { head: "Payment", kind: "number", width: 8, spare: 1, cell: (row) => row.payment_id },
  { head: "Paid on", kind: "day", width: 10, cell: (row) => row.paid_on },
  { head: "Amount", kind: "amount", width: 12, amount: (row) => row.amount },
  { head: "Method", width: 16, spare: 1, cell: howPaid },
  { head: "Reference", spare: 1, cell: (row) => row.reference ?? row.reason ?? "" },
  { head: "Credit", kind: "amount", width: 10, spare: 1, quiet: true, amount: (row) => row.amount_left },
  { head: "Void since", kind: "day", width: 10, cell: (row) => row.voided_on },
  { head: "Because", spare: 1, cell: (row) => row.void_reason ?? "" },
];

function AllPayments({ id }: { id: number }) {
  const asked = useInfiniteQuery(list("/api/customers/{customer_id}/payments", {}, id));
  return (
    <List caption="Payments" asked={asked} columns={PAYMENTS} id={(row) => row.payment_id}
      link={(row) => `/payments/${row.payment_id}`} struck={(row) => row.voided_on !== null} empty="No payments yet." />
  );
}

const NOTES: Column<Note>[] = [
  { head: "Day", kind: "day", width: 10, cell: (row) => row.noted_on },
  { head: "Who", width: 14, spare: 1, cell: (row) => row.noted_by },
  { head: "Promise", width: 34, spare: 1, seldom: true, cell: (row) => row.state && <PromiseState of={row} /> },
  { head: "Note", cell: (row) => <WholeNote of={row} /> },
];

/** On a phone, which has no column for it, the promise stands with the note. */
function WholeNote({ of }: { of: Note }) {
  const phone = useMedia("(max-width: 640px)");
  if (!phone || !of.state) return <>{clean(of.note)}</>;
  return <>{[noteSaid(of), `promised ${promised(of)}`].filter(Boolean).join("; ")}</>;
}

function AllNotes({ id }: { id: number }) {
  const asked = useInfiniteQuery(list("/api/customers/{customer_id}/notes", {}, id));
  return (
    <List caption="Notes" asked={asked} columns={NOTES} id={(row) => row.customer_note_id} wraps empty="No notes yet." />
  );
}

function History({ id }: { id: number }) {
  const asked = useInfiniteQuery(list("/api/customers/{customer_id}/history", {}, id));
  return (
    <List caption="History" asked={asked} columns={CHANGES}
      id={(row) => `${row.trail_id} ${row.table_name} ${row.record_id ?? ""}`}
      full={(row) => <ChangeInFull change={row} />}
      total={asked.data?.pages[0]?.total ?? undefined} empty="Nothing of it was changed since the trail began." />
  );
}
