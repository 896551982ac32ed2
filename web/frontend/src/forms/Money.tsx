// What the forms that lower a debt share: what is owed beside them, what stands under them, and the form's own key.
import { useEffect, useState, type ReactNode } from "react";
import { get, sentence } from "../api/client";
import type { Payment, PaymentForm as Form } from "../api/types";
import { Amount } from "../parts/Amount";
import { Dialog } from "../parts/Dialog";
import { useSettled } from "../parts/hooks";
import { PaymentUses } from "../parts/PaymentUses";
import { Failed, Loading } from "../parts/State";
import { billState, capital, recorded } from "../words/sentences";
import { clean } from "../words/text";
import { Buttons } from "./Buttons";
import { inGeneral, type Outcome } from "./useEntry";

/** Ask the server what a form begins with. */
export function WithForm({ customerId, title, onClose, children }: {
  customerId: number;
  title: string;
  onClose: () => void;
  children: (form: Form) => ReactNode;
}) {
  const [form, setForm] = useState<Form | null>(null);
  const [failure, setFailure] = useState<unknown>(null);

  // Asked for once: a form that is read again would come with another key.
  useEffect(() => {
    if (form || failure) return;
    get("/api/customers/{customer_id}/payment-form", { id: customerId }).then(setForm, setFailure);
  }, [customerId, form, failure]);

  const slow = useSettled(true, 250, false);
  if (form) return children(form);
  if (!slow && !failure) return null;
  return (
    <Dialog title={title} onClose={onClose} wide>
      {failure ? <Failed error={failure} again={() => setFailure(null)} /> : <Loading rows={8} />}
    </Dialog>
  );
}

/** What stands under a form: why it was refused, and its buttons; or that its answer was lost, and how to try again. */
export function Foot({ what, outcome, fields, busy, again, onClose }: {
  what: string;
  outcome: Outcome | null;
  fields: string[];
  busy: boolean;
  again: () => void;
  onClose: () => void;
}) {
  const general = inGeneral(outcome, fields);
  return (
    <>
      {general ? <p className="refusal" role="alert">{sentence(general)}</p> : null}
      {outcome?.unknown ? (
        <Lost what={what} error={outcome.error} busy={busy} again={again} onClose={onClose} />
      ) : (
        <Buttons does={`Record ${what}`} doing="Recording…" busy={busy} onClose={onClose} />
      )}
    </>
  );
}

/** The answer was lost: the same body with the same key is sent again, which the server knows. */
function Lost({ what, error, busy, again, onClose }: {
  what: string;
  error: unknown;
  busy: boolean;
  again: () => void;
  onClose: () => void;
}) {
  return (
    <div className="lost" role="alert">
      <p className="refusal">{sentence(error)}</p>
      <p>
        Whether this {what} was saved is unknown. Trying again is safe: it is sent with the same key and cannot{" "}
        {what === "payment" ? "pay" : "count"} twice.
      </p>
      <footer>
        <button type="button" className="main" autoFocus disabled={busy} onClick={again}>
          {busy ? "Recording…" : "Try again"}
        </button>
        <button type="button" disabled={busy} onClick={onClose}>Close, and look at the payments</button>
      </footer>
    </div>
  );
}

/** What is owed; an amount that is clicked goes into the form. */
export function Owed({ form, onPick }: { form: Form; onPick: (amount: string) => void }) {
  const pick = (amount: string) => (
    <button type="button" className="plain amount" title="Enter this amount" onClick={() => onPick(amount)}>
      <Amount of={amount} />
    </button>
  );
  return (
    <aside aria-label="What is owed">
      {form.unpaid_bills.length > 0 ? (
        <table className="small">
          <caption>Unpaid bills</caption>
          <thead>
            <tr>
              <th scope="col">Bill</th>
              <th scope="col">State</th>
              <th scope="col" className="amount">To pay</th>
            </tr>
          </thead>
          <tbody>
            {form.unpaid_bills.map((bill) => (
              <tr key={bill.billing_id}>
                <th scope="row">{clean(bill.description)} <span className="muted">{bill.billing_id}</span></th>
                <td className={bill.days_late ? "day late" : "day"}>{billState(bill)}</td>
                <td className="amount">{pick(bill.amount_due)}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" colSpan={2}>To pay</th>
              <td className="amount">{pick(form.amount_due)}</td>
            </tr>
            <tr>
              <th scope="row" colSpan={2}>Credit</th>
              <td className="amount"><Amount of={form.credit} /></td>
            </tr>
          </tfoot>
        </table>
      ) : (
        <p>No unpaid bills. Credit <Amount of={form.credit} />.</p>
      )}
    </aside>
  );
}

export function Recorded({ payment, onClose }: { payment: Payment; onClose: () => void }) {
  return (
    <Dialog title={`${capital(payment.kind)} recorded`} onClose={onClose}>
      <p role="status">{recorded(payment)}</p>
      <PaymentUses payment={payment} />
      <footer>
        <button type="button" className="main" autoFocus onClick={onClose}>Done</button>
      </footer>
    </Dialog>
  );
}
