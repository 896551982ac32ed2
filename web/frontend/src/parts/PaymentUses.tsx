import { Link } from "react-router";
import type { Payment } from "../api/types";
import { clean, isNothing } from "../words/text";
import { Amount } from "./Amount";

/** Which bills a payment paid, and what is left of it as credit. */
export function PaymentUses({ payment }: { payment: Payment }) {
  const credit = !isNothing(payment.amount_left);
  if (!payment.bills.length && !credit) return null;
  return (
    <table className="small uses">
      <caption className="unseen">What the payment paid</caption>
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
              <Link to={`/bills/${bill.billing_id}`}>Bill {bill.billing_id}</Link> {clean(bill.description)}
            </th>
            <td className="amount"><Amount of={bill.amount} /></td>
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
