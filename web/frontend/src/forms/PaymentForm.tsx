// Recording a payment: what is owed stands beside the form, and the form's own key keeps it from being paid twice.
import { useState, type FormEvent } from "react";
import { send } from "../api/client";
import type { NewPayment, Payment, PaymentForm as Form } from "../api/types";
import { DayInput } from "../parts/DayInput";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { clean } from "../words/text";
import { Foot, Owed, Recorded, WithForm } from "./Money";
import { Asked } from "./RecordForm";
import { against, useEntry } from "./useEntry";

interface Props {
  customerId: number;
  name: string;
  onClose: () => void;
}

export function PaymentDialog({ customerId, name, onClose }: Props) {
  return (
    <WithForm customerId={customerId} title={title(name)} onClose={onClose}>
      {(form) => <Entry customerId={customerId} name={name} onClose={onClose} form={form} />}
    </WithForm>
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
  return (
    <Dialog title={title(name)} onClose={onClose} busy={busy} wide>
      {questions.length > 0 ? (
        <Asked questions={questions} busy={busy} yes="Record all the same" onYes={recordAllTheSame}
          onBack={entry.forget} />
      ) : (
        <div className="beside">
          <form onSubmit={submit} noValidate>
            <fieldset disabled={outcome?.unknown ?? false}>
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
            <Foot what="payment" outcome={outcome} fields={FIELDS} busy={busy}
              again={() => void (sent && entry.submit(sent))} onClose={onClose} />
          </form>
          <Owed form={form} onPick={(amount) => setTyped({ ...typed, amount })} />
        </div>
      )}
    </Dialog>
  );
}
