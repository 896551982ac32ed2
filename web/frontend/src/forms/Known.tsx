// The records that a question of the server is about.
import type { Customer, PaymentHit } from "../api/types";
import { Amount } from "../parts/Amount";
import { clean } from "../words/text";

/** Show known customers and earlier payments; they open beside this page, since a form is open on it. */
export function Known({ customers, payments }: { customers: Customer[]; payments: PaymentHit[] }) {
  return (
    <>
      {customers.length > 0 && <KnownCustomers rows={customers} />}
      {payments.length > 0 && <EarlierPayments rows={payments} />}
    </>
  );
}

function KnownCustomers({ rows }: { rows: Customer[] }) {
  return (
    <table className="small">
      <caption className="unseen">Known customers</caption>
      <thead>
        <tr>
          <th scope="col" className="number">ID</th>
          <th scope="col">Name</th>
          <th scope="col">Phone number</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.customer_id}>
            <td className="number">{row.customer_id}</td>
            <th scope="row">
              <a href={`/customers/${row.customer_id}`} target="_blank" rel="noreferrer">{clean(row.name)}</a>
            </th>
            <td className="code">{clean(row.phone_number)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function EarlierPayments({ rows }: { rows: PaymentHit[] }) {
  return (
    <table className="small">
      <caption className="unseen">Earlier payments</caption>
      <thead>
        <tr>
          <th scope="col" className="number">ID</th>
          <th scope="col">Customer</th>
          <th scope="col">Paid on</th>
          <th scope="col" className="amount">Amount</th>
          <th scope="col">Method</th>
          <th scope="col">Reference</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.payment_id}>
            <th scope="row" className="number">
              <a href={`/payments/${row.payment_id}`} target="_blank" rel="noreferrer">{row.payment_id}</a>
            </th>
            <td>{clean(row.name)}</td>
            <td className="day">{row.paid_on}</td>
            <td className="amount"><Amount of={row.amount} /></td>
            <td>{row.method}</td>
            <td>{clean(row.reference)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
