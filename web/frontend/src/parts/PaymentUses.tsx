import { Link } from "react-router";
import type { Payment } from "../api/types";
import { capital } from "../words/sentences";
import { isNothing } from "../words/text";
import { Amount } from "./Amount";
import { BillLink } from "./BillLink";

/** Which bills a payment paid, what was given back of it, and what is left of it as credit; what a refund is of. */
export function PaymentUses({ payment }: { payment: Payment }) {
  const credit = !isNothing(payment.amount_left);
  const isRefund = payment.kind === "refund";
  if (!payment.bills.length && !payment.refunds.length && !credit) return null;
  return (
    <table className="small uses">
      <caption>
        {isRefund ? (payment.voided_on ? "Had given back" : "Given back") : payment.voided_on ? "Had paid" : "Paid with it"}
      </caption>
      <thead className="unseen">
        <tr>
          <th scope="col">Paid</th>
          <th scope="col">Amount</th>
        </tr>
      </thead>
      <tbody>
        {payment.bills.map((bill) => (
          <tr key={bill.billing_id}>
            <th scope="row">
              <BillLink bill={bill} />
            </th>
            <td className="amount"><Amount of={bill.amount} /></td>
          </tr>
        ))}
        {payment.refunds.map((other) => (
          <tr key={other.payment_id}>
            <th scope="row">
              <Link to={`/payments/${other.payment_id}`}>
                {isRefund ? `Of ${other.kind}` : capital(other.kind)} {other.payment_id} on {other.paid_on}
              </Link>
            </th>
            <td className="amount"><Amount of={other.amount} /></td>
          </tr>
        ))}
        {credit && (
          <tr>
            <th scope="row">Credit</th>
            <td className="amount"><Amount of={payment.amount_left} /></td>
          </tr>
        )}
      </tbody>
    </table>
  );
}
