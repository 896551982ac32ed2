import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { overview, revenue } from "../api/queries";
import type { BillRun, Overview as Shown, PaymentHit, Verified } from "../api/types";
import { Months } from "../charts/Months";
import { Owed } from "../charts/Owed";
import { Recurring } from "../charts/Recurring";
import { Amount, Count } from "../parts/Amount";
import { Failed, Loading, Old } from "../parts/State";
import { useTitle } from "../parts/hooks";
import { clean, plural, showMoment } from "../words/text";

export function Overview() {
  const asked = useQuery(overview);
  const summed = useQuery(revenue);
  useTitle("Overview");
  return (
    <>
      <h1 className="unseen">Overview</h1>
      <Old asked={asked.isError ? asked : summed} />
      {asked.isPending ? <Loading rows={2} />
        : asked.data ? <Figures shown={asked.data} />
        : <Failed error={asked.error} again={() => void asked.refetch()} />}
      <div className="overview">
        <RevenueParts today={asked.data?.today} owed={asked.data && <Owed aged={asked.data.aged} />} />
        {asked.data && <PaymentsToday today={asked.data.today} of={asked.data.payments_today} />}
      </div>
      {asked.data && <Checked verified={asked.data.verified} />}
    </>
  );
}

function Figures({ shown }: { shown: Shown }) {
  const { late, aged, payments_today: paid } = shown;
  return (
    <dl className="figures">
      <Figure name="Customers" to="/customers">
        {!shown.customers_exact && "about "}
        <Count of={shown.customers} />
      </Figure>
      <Figure name="Late" to="/late">{late.customers ? plural(late.customers, "customer") : "Nobody"}</Figure>
      <Figure name="Late in total" to="/late">
        <span className={late.customers ? "late" : undefined}><Amount of={late.amount} /></span>
      </Figure>
      <Figure name={`Owed by ${plural(aged.customers, "customer")}`} to="/aging"><Amount of={aged.total} /></Figure>
      <Figure name={`Payments on ${shown.today}`} to={`/payments?search=${shown.today}`}>{paid.count}</Figure>
      <Figure name="Paid today" to={`/payments?search=${shown.today}`}><Amount of={paid.amount} /></Figure>
    </dl>
  );
}

function Figure({ name, to, children }: { name: string; to: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd><Link to={to}>{children}</Link></dd>
    </div>
  );
}

/** What is summed over the whole books, which can take seconds at first, and between it what is owed, which cannot. */
function RevenueParts({ today, owed }: { today: string | undefined; owed: ReactNode }) {
  const asked = useQuery(revenue);
  if (asked.isError && !asked.data) {
    return (
      <>
        <div className="months"><Failed error={asked.error} again={() => void asked.refetch()} /></div>
        {owed}
      </>
    );
  }
  return (
    <>
      {asked.data ? (
        <Months months={asked.data.months} today={today} />
      ) : (
        <div className="months"><Loading rows={8} /></div>
      )}
      {owed}
      {asked.data ? (
        <Recurring services={asked.data.recurring} total={asked.data.monthly_total} />
      ) : (
        <div><Loading rows={8} /></div>
      )}
      {asked.data && <BillRuns runs={asked.data.bill_runs} />}
    </>
  );
}

function PaymentsToday({ today, of }: { today: string; of: Shown["payments_today"] }) {
  const more = of.count - of.rows.filter((row) => !row.voided_on).length; // the count leaves voids out
  return (
    <section>
      <h2>Payments on {today}</h2>
      {of.rows.length ? <LatestPayments rows={of.rows} /> : <p className="empty">None yet.</p>}
      {more > 0 && (
        <p className="muted"><Link to={`/payments?search=${today}`}>and {more} more</Link></p>
      )}
    </section>
  );
}

function LatestPayments({ rows }: { rows: PaymentHit[] }) {
  return (
    <table className="plain-table">
      <caption className="unseen">The latest payments of today</caption>
      <thead>
        <tr>
          <th scope="col">Customer</th>
          <th scope="col">Method</th>
          <th scope="col" className="amount">Amount</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.payment_id} className={row.voided_on ? "struck" : undefined}>
            <th scope="row"><Link to={`/payments/${row.payment_id}`}>{clean(row.name)}</Link></th>
            <td>{row.method}</td>
            <td className="amount"><Amount of={row.amount} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function BillRuns({ runs }: { runs: BillRun[] }) {
  return (
    <section>
      <h2>Bill runs</h2>
      {runs.length ? (
        <table className="plain-table">
          <caption className="unseen">The last bill runs</caption>
          <thead>
            <tr>
              <th scope="col">Month</th>
              <th scope="col" className="number">Bills</th>
              <th scope="col" className="amount">Billed</th>
              <th scope="col" className="amount">Paid</th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <tr key={`${run.period} ${run.issued_on}`}>
                <th scope="row" className="day">{run.period.slice(0, 7)}</th>
                <td className="number"><Count of={run.bills} /></td>
                <td className="amount"><Amount of={run.amount} /></td>
                <td className="amount"><Amount of={run.paid} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p className="empty">No bill run yet; the terminal makes one: Billing, Bill run.</p>
      )}
    </section>
  );
}

function Checked({ verified }: { verified: Verified | null }) {
  if (!verified) {
    return (
      <p className="checked muted">
        The books were not verified yet: <code>python main.py verify</code> does it.
      </p>
    );
  }
  const { verified_at, person, bills, payments, findings, first_finding } = verified;
  return (
    <p className={findings ? "checked late" : "checked muted"}>
      Verified {showMoment(verified_at)} by {clean(person)}: {plural(bills, "bill")} and{" "}
      {plural(payments, "payment")}.{" "}
      {findings ? `${plural(findings, "finding")}: ${clean(first_finding)}` : "Everything adds up."}
    </p>
  );
}
