// What is to pay and why, and what was paid last, as the terminal's account screen says it.
import { Fragment } from "react";
import { Link } from "react-router";
import type { OpenBill, SettledBill } from "../api/types";
import { Amount } from "../parts/Amount";
import { BillLink } from "../parts/BillLink";
import { billState, paymentOnBill, whyDue } from "../words/sentences";

export function UnpaidBills({ bills }: { bills: OpenBill[] }) {
  if (!bills.length) return <p className="empty">No unpaid bills.</p>;
  return (
    <table className="plain-table bills">
      <caption className="unseen">Unpaid bills, and why they are late</caption>
      <thead>
        <tr>
          <th scope="col">Bill</th>
          <th scope="col">State</th>
          <th scope="col" className="amount">To pay</th>
        </tr>
      </thead>
      <tbody>
        {bills.map((bill) => (
          <Fragment key={bill.billing_id}>
            <tr className={isExplained(bill) ? "explained" : undefined}>
              <th scope="row"><BillLink bill={bill} /></th>
              <td className={bill.days_late ? "late" : undefined}>{billState(bill)}</td>
              <td className="amount"><Amount of={bill.amount_due} /></td>
            </tr>
            {isExplained(bill) && <Why bill={bill} />}
          </Fragment>
        ))}
      </tbody>
    </table>
  );
}

function isExplained(bill: OpenBill): boolean {
  return bill.days_late > 0 || bill.payments.length > 0;
}

function Why({ bill }: { bill: OpenBill }) {
  return (
    <tr>
      <td colSpan={3} className="why">
        <p>{whyDue(bill)}</p>
        {bill.payments.map((payment) => (
          <p key={payment.payment_id} className={payment.voided_on ? "struck" : undefined}>
            <Link to={`/payments/${payment.payment_id}`}>{paymentOnBill(payment)}</Link>
          </p>
        ))}
        {!bill.payments.length && <p>No payments on it.</p>}
      </td>
    </tr>
  );
}

export function PaidBills({ bills, count }: { bills: SettledBill[]; count: number }) {
  if (!bills.length) return null;
  return (
    <>
      <h2>Paid bills</h2>
      <table className="plain-table bills">
        <caption className="unseen">Bills that were paid last</caption>
        <thead className="unseen">
          <tr>
            <th scope="col">Bill</th>
            <th scope="col">State</th>
            <th scope="col">Billed</th>
          </tr>
        </thead>
        <tbody>
          {bills.map((bill) => (
            <tr key={bill.billing_id}>
              <th scope="row">
                <BillLink bill={bill} />
              </th>
              <td>paid {bill.last_payment_date ?? ""}</td>
              <td className="amount"><Amount of={bill.amount_billed} /></td>
            </tr>
          ))}
        </tbody>
      </table>
      {count > bills.length && (
        <p className="muted"><Link to="?tab=bills">and {count - bills.length} earlier</Link></p>
      )}
    </>
  );
}
