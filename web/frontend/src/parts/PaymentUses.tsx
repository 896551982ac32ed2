import type { Payment } from "../api/types";
import { isNothing } from "../words/text";
import { Amount } from "./Amount";
import { BillLink } from "./BillLink";

/** Which bills a payment paid, and what is left of it as credit. */
export function PaymentUses({ payment }: { payment: Payment }) {
  const credit = !isNothing(payment.amount_left);
  if (!payment.bills.length && !credit) return null;
  return (
    <table className="small uses">
      <caption>{payment.voided_on ? "Had paid" : "Paid with it"}</caption>
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
