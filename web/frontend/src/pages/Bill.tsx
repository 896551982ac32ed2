import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { one } from "../api/queries";
import type { Bill as Shown } from "../api/types";
import { Amount } from "../parts/Amount";
import { Fact, Facts } from "../parts/Facts";
import { Failed, Loading, Old } from "../parts/State";
import { useTitle } from "../parts/hooks";
import { clean, isNothing, plural } from "../words/text";
import { NotFound } from "./NotFound";

export function Bill() {
  const id = Number(useParams()["id"]);
  const asked = useQuery(one("/api/bills/{billing_id}", id));
  useTitle(`Bill ${id}`);
  if (!Number.isSafeInteger(id) || id < 1) return <NotFound />;
  if (asked.isPending) return <Loading />;
  if (!asked.data) return <Failed page error={asked.error} again={() => void asked.refetch()} />;
  return (
    <>
      <Old asked={asked} />
      <Found shown={asked.data} />
    </>
  );
}

function Found({ shown }: { shown: Shown }) {
  const { customer_id, name, description, period, cancelled_on } = shown;
  return (
    <>
      <div className="page-head">
        <h1>Bill {shown.billing_id} <span className="muted">{clean(description)}{cancelled_on && " deleted"}</span></h1>
      </div>
      <Facts>
        <Fact name="Customer"><Link to={`/customers/${customer_id}`}>{clean(name)}</Link></Fact>
        {period && <Fact name="For">{period.slice(0, 7)}</Fact>}
        <Fact name="Issued on">{shown.issued_on}</Fact>
        <Fact name="Due">
          {shown.due_date}
          {shown.is_late && <span className="late">, {plural(shown.days_late, "day")} late</span>}
        </Fact>
        <Fact name="Billed"><Amount of={shown.amount_billed} /></Fact>
        <Fact name="Paid"><Amount of={shown.amount_paid} /></Fact>
        <Fact name="To pay">
          <b className={shown.is_late && !isNothing(shown.amount_due) ? "late" : undefined}>
            <Amount of={shown.amount_due} />
          </b>
        </Fact>
        {cancelled_on && <Fact name="Deleted">{cancelled_on}</Fact>}
        {shown.last_payment_date && <Fact name="Last payment">{shown.last_payment_date}</Fact>}
      </Facts>
      {shown.items && shown.items.length > 0 && <Items items={shown.items} />}
    </>
  );
}

function Items({ items }: { items: NonNullable<Shown["items"]> }) {
  return (
    <table className="plain-table narrow">
      <caption>Lines</caption>
      <thead className="unseen">
        <tr>
          <th scope="col">Line</th>
          <th scope="col">Amount</th>
        </tr>
      </thead>
      <tbody>
        {items.map((item, i) => (
          <tr key={i}>
            <th scope="row">{clean(item.description)}</th>
            <td className="amount"><Amount of={item.amount} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
