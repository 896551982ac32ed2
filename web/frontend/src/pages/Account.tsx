import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { Link, useLocation, useParams } from "react-router";
import { list, one } from "../api/queries";
import { usePerson } from "../api/session";
import type { Account as Shown, BillHit, PaymentOfCustomer, Values } from "../api/types";
import { PaymentDialog } from "../forms/PaymentForm";
import { RecordForm } from "../forms/RecordForm";
import { CUSTOMER, LOCATION, type RecordKind } from "../forms/records";
import { Amount } from "../parts/Amount";
import { CHANGES, ChangeInFull } from "../parts/ChangeWords";
import { List, type Column } from "../parts/List";
import { Saved } from "../parts/Saved";
import { Failed, Loading, Old } from "../parts/State";
import { useAsked, useTitle } from "../parts/hooks";
import { clean } from "../words/text";
import { BILLS_OF_ONE } from "./Bills";
import { NotFound } from "./NotFound";
import { Sites, type Ask } from "./Sites";
import { PaidBills, UnpaidBills } from "./Unpaid";

const TABS = [["", "Account"], ["bills", "All bills"], ["payments", "Payments"], ["history", "History"]] as const;

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

/** A form that is open over the account. */
interface Open {
  kind: RecordKind;
  title: string;
  path: string;
  seen?: Values;
}

function Found({ shown }: { shown: Shown }) {
  const id = shown.customer_id;
  const [asked] = useAsked();
  const tab = asked("tab");
  const { may_change } = usePerson();
  const [said, setSaid] = useSaid();
  const [open, setOpen] = useState<Open | "payment" | null>(null);
  const close = () => setOpen(null);

  const show = (form: Open | "payment") => {
    setSaid("");
    setOpen(form);
  };
  const ask: Ask = {
    addTo: (kind, location) =>
      show({ kind, title: `Add ${kind.noun}`, path: `/api/locations/${location}/${kind.path}` }),
    change: (kind, row) =>
      show({ kind, title: `Update ${kind.noun}`, path: `/api/${kind.path}/${row[kind.key]}`, seen: row }),
  };
  const customer = { customer_id: id, name: shown.name, phone_number: shown.phone_number };
  return (
    <>
      <Head shown={shown}>
        {may_change && (
          <div className="actions">
            <button type="button" className="main" onClick={() => show("payment")}>Record payment</button>
            <button type="button" onClick={() => ask.change(CUSTOMER, customer)}>Update customer</button>
            <button type="button" onClick={() =>
              show({ kind: LOCATION, title: "Add location", path: `/api/customers/${id}/locations` })}>
              Add location
            </button>
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
        : tab === "history" ? <History id={id} />
        : <Whole shown={shown} ask={may_change ? ask : null} looked={asked("equipment")} />}
      {open === "payment" && <PaymentDialog customerId={id} name={shown.name} onClose={close} />}
      {open && open !== "payment" && (
        <RecordForm {...open} onClose={close}
          onSaved={(sentence) => {
            setSaid(sentence);
            close();
          }} />
      )}
    </>
  );
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

function Whole({ shown, ask, looked }: { shown: Shown; ask: Ask | null; looked: string }) {
  return (
    <div className="account">
      <section>
        <h2>Unpaid bills</h2>
        <UnpaidBills bills={shown.unpaid_bills} />
        <PaidBills bills={shown.paid_bills} count={shown.paid_bill_count} />
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
      link={(row) => `/bills/${row.billing_id}`} empty="No bills yet." />
  );
}

const PAYMENTS: Column<PaymentOfCustomer>[] = [
  { head: "Payment", kind: "number", width: 8, spare: 1, cell: (row) => row.payment_id },
  { head: "Paid on", kind: "day", width: 10, cell: (row) => row.paid_on },
  { head: "Amount", kind: "amount", width: 12, amount: (row) => row.amount },
  { head: "Method", width: 12, spare: 1, cell: (row) => row.method },
  { head: "Reference", spare: 1, cell: (row) => row.reference ?? "" },
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

function History({ id }: { id: number }) {
  const asked = useInfiniteQuery(list("/api/customers/{customer_id}/history", {}, id));
  return (
    <List caption="History" asked={asked} columns={CHANGES}
      id={(row) => `${row.trail_id} ${row.table_name} ${row.record_id ?? ""}`}
      full={(row) => <ChangeInFull change={row} />}
      total={asked.data?.pages[0]?.total ?? undefined} empty="Nothing of it was changed since the trail began." />
  );
}
