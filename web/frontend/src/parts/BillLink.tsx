import { Link } from "react-router";
import { clean } from "../words/text";

export function BillLink({ bill }: { bill: { billing_id: number; description: string } }) {
  return <Link to={`/bills/${bill.billing_id}`}>Bill {bill.billing_id}, {clean(bill.description)}</Link>;
}
