// A credit note: it lowers what is owed without being money, and its key keeps it from counting twice.
import { useState, type FormEvent } from "react";
import { send } from "../api/client";
import type { NewCreditNote, Payment, PaymentForm as Form } from "../api/types";
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

export function CreditDialog({ customerId, name, onClose }: Props) {
  const title = `Credit note to ${clean(name)}`;
  return (
    <WithForm customerId={customerId} title={title} onClose={onClose}>
      {(form) => <Entry customerId={customerId} title={title} onClose={onClose} form={form} />}
    </WithForm>
  );
}

function Entry({ customerId, title, form, onClose }: {
  customerId: number;
  title: string;
  form: Form;
  onClose: () => void;
}) {
  const [typed, setTyped] = useState({ amount: "", reason: "" });
  const [sent, setSent] = useState<NewCreditNote | null>(null);
  const [note, setNote] = useState<Payment | null>(null);
  const entry = useEntry(
    (body: NewCreditNote) => send<Payment>("POST", `/api/customers/${customerId}/credit-notes`, body),
    setNote,
  );
  const { busy, outcome } = entry;
  const questions = outcome?.failure?.questions ?? [];
  const record = (confirmed: NewCreditNote["confirmed"]) => {
    const body = { ...typed, entry_key: form.entry_key, confirmed };
    setSent(body);
    void entry.submit(body);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    record([]);
  };

  if (note) return <Recorded payment={note} onClose={onClose} />;
  return (
    <Dialog title={title} onClose={onClose} busy={busy} wide>
      {questions.length > 0 ? (
        <Asked questions={questions} busy={busy} yes="Record all the same" onYes={() => record(["much"])}
          onBack={entry.forget} />
      ) : (
        <div className="beside">
          <form onSubmit={submit} noValidate>
            <fieldset disabled={outcome?.unknown ?? false}>
              <Field label="Amount" refusal={against(outcome, "amount")}>
                <input autoFocus className="amount" inputMode="decimal" autoComplete="off" name="amount" maxLength={30}
                  value={typed.amount} onChange={(event) => setTyped({ ...typed, amount: event.target.value })} />
              </Field>
              <Field label="Reason" refusal={against(outcome, "reason")}>
                <input name="reason" autoComplete="off" maxLength={400} value={typed.reason}
                  onChange={(event) => setTyped({ ...typed, reason: event.target.value })} />
              </Field>
            </fieldset>
            <Foot what="credit note" outcome={outcome} fields={["amount", "reason"]} busy={busy}
              again={() => void (sent && entry.submit(sent))} onClose={onClose} />
          </form>
          <Owed form={form} onPick={(amount) => setTyped({ ...typed, amount })} />
        </div>
      )}
    </Dialog>
  );
}
