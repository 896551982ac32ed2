// Recording a payment: what is owed stands beside the form, and the form's own key keeps it from being paid twice.
import { useEffect, useState, type FormEvent } from "react";
import { get, send, sentence } from "../api/client";
import type { NewPayment, Payment, PaymentForm as Form } from "../api/types";
import { Amount } from "../parts/Amount";
import { DayInput } from "../parts/DayInput";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { useSettled } from "../parts/hooks";
import { Failed, Loading } from "../parts/State";
import { PaymentUses } from "../parts/PaymentUses";
import { billState, recorded } from "../words/sentences";
import { clean } from "../words/text";
import { Asked } from "./RecordForm";
import { against, inGeneral, useEntry } from "./useEntry";

interface Props {
  customerId: number;
  name: string;
  onClose: () => void;
}

export function PaymentDialog(props: Props) {
  const [form, setForm] = useState<Form | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const { customerId } = props;

  // Asked for once: a form that is read again would come with another key.
  useEffect(() => {
    if (form || failure) return;
    get("/api/customers/{customer_id}/payment-form", { id: customerId }).then(setForm, setFailure);
  }, [customerId, form, failure]);

  const slow = useSettled(true, 250, false);
  if (form) return <Entry {...props} form={form} />;
  if (!slow && !failure) return null;
  return (
    <Dialog title={title(props.name)} onClose={props.onClose} wide>
      {failure ? <Failed error={failure} again={() => setFailure(null)} /> : <Loading rows={8} />}
    </Dialog>
  );
}

function title(name: string): string {
  return `Record payment of ${clean(name)}`;
}

const FIELDS = ["amount", "paid_on", "method", "reference", "billing_id"];

function Entry({ customerId, name, form, onClose }: Props & { form: Form }) {
  const [typed, setTyped] = useState({
    amount: "", paid_on: form.today, method: "transfer", reference: "", billing_id: "",
  });
  const [sent, setSent] = useState<NewPayment | null>(null);
  const [payment, setPayment] = useState<Payment | null>(null);
  const entry = useEntry(
    (body: NewPayment) => send<Payment>("POST", `/api/customers/${customerId}/payments`, body),
    setPayment,
  );
  const { busy, outcome } = entry;
  const questions = outcome?.failure?.questions ?? [];

  const record = (confirmed: string[]) => {
    const body: NewPayment = {
      ...typed,
      entry_key: form.entry_key,
      method: typed.method as NewPayment["method"],
      reference: typed.reference || null,
      billing_id: typed.billing_id ? Number(typed.billing_id) : null,
      confirmed: confirmed as NewPayment["confirmed"],
    };
    setSent(body);
    void entry.submit(body);
  };
  const recordAllTheSame = () => record([...(sent?.confirmed ?? []), ...questions.map(({ kind }) => kind)]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    record([]);
  };
  const set = (field: keyof typeof typed) => (event: { target: { value: string } }) =>
    setTyped({ ...typed, [field]: event.target.value });

  if (payment) return <Recorded payment={payment} onClose={onClose} />;
  const lost = outcome?.unknown ?? false;
  const general = inGeneral(outcome, FIELDS);
  return (
    <Dialog title={title(name)} onClose={onClose} busy={busy} wide>
      {questions.length > 0 ? (
        <Asked questions={questions} busy={busy} yes="Record all the same" onYes={recordAllTheSame}
          onBack={entry.forget} />
      ) : (
        <div className="beside">
          <form onSubmit={submit} noValidate>
            <fieldset disabled={lost}>
              <Field label="Amount" refusal={against(outcome, "amount")}>
                <input autoFocus className="amount" inputMode="decimal" autoComplete="off" name="amount" maxLength={30}
                  value={typed.amount} onChange={set("amount")} />
              </Field>
              <Field label="Date" refusal={against(outcome, "paid_on")}>
                <DayInput name="paid_on" eager value={typed.paid_on}
                  onChange={(paid_on) => setTyped({ ...typed, paid_on })} />
              </Field>
              <Field label="Method" refusal={against(outcome, "method")}>
                <select name="method" value={typed.method} onChange={set("method")}>
                  {form.methods.map((method) => (
                    <option key={method}>{method}</option>
                  ))}
                </select>
              </Field>
              <Field label="Reference" optional refusal={against(outcome, "reference")}>
                <input name="reference" autoComplete="off" spellCheck={false} maxLength={200} value={typed.reference}
                  onChange={set("reference")} />
              </Field>
              <Field label="Bill" refusal={against(outcome, "billing_id")}>
                <select name="billing_id" value={typed.billing_id} onChange={set("billing_id")}>
                  <option value="">Oldest due first</option>
                  {form.unpaid_bills.map((bill) => (
                    <option key={bill.billing_id} value={bill.billing_id}>
                      {`Bill ${bill.billing_id}, ${clean(bill.description)}, ${bill.amount_due} to pay`}
                    </option>
                  ))}
                </select>
              </Field>
            </fieldset>
            {general ? <p className="refusal" role="alert">{sentence(general)}</p> : null}
            {lost && sent ? (
              <Lost error={outcome?.error} busy={busy} again={() => void entry.submit(sent)} onClose={onClose} />
            ) : (
              <footer>
                <button type="submit" className="main" disabled={busy}>
                  {busy ? "Recording…" : "Record payment"}
                </button>
                <button type="button" disabled={busy} onClick={onClose}>Cancel</button>
              </footer>
            )}
          </form>
          <Owed form={form} onPick={(amount) => setTyped({ ...typed, amount })} />
        </div>
      )}
    </Dialog>
  );
}

/** The answer to a payment was lost: the same body with the same key is sent again, which the server knows. */
function Lost({ error, busy, again, onClose }: {
  error: unknown;
  busy: boolean;
  again: () => void;
  onClose: () => void;
}) {
  return (
    <div className="lost" role="alert">
      <p className="refusal">{sentence(error)}</p>
      <p>
        Whether this payment was saved is unknown. Trying again is safe: it is sent with the same key and cannot pay
        twice.
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
function Owed({ form, onPick }: { form: Form; onPick: (amount: string) => void }) {
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

function Recorded({ payment, onClose }: { payment: Payment; onClose: () => void }) {
  return (
    <Dialog title="Payment recorded" onClose={onClose}>
      <p role="status">{recorded(payment)}</p>
      <PaymentUses payment={payment} />
      <footer>
        <button type="button" className="main" autoFocus onClick={onClose}>Done</button>
      </footer>
    </Dialog>
  );
}
