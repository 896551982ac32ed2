// A credit note: it lowers what is owed without being money, and its key keeps it from counting twice.
import { useState, type FormEvent } from "react";
import { send, sentence } from "../api/client";
import type { NewCreditNote, Payment, PaymentForm as Form } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { clean } from "../words/text";
import { Lost, Owed, Recorded, WithForm } from "./Money";
import { against, inGeneral, useEntry } from "./useEntry";

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
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const body = { ...typed, entry_key: form.entry_key };
    setSent(body);
    void entry.submit(body);
  };

  if (note) return <Recorded payment={note} onClose={onClose} />;
  const lost = outcome?.unknown ?? false;
  const general = inGeneral(outcome, ["amount", "reason"]);
  return (
    <Dialog title={title} onClose={onClose} busy={busy} wide>
      <div className="beside">
        <form onSubmit={submit} noValidate>
          <fieldset disabled={lost}>
            <Field label="Amount" refusal={against(outcome, "amount")}>
              <input autoFocus className="amount" inputMode="decimal" autoComplete="off" name="amount" maxLength={30}
                value={typed.amount} onChange={(event) => setTyped({ ...typed, amount: event.target.value })} />
            </Field>
            <Field label="Reason" refusal={against(outcome, "reason")}>
              <input name="reason" autoComplete="off" maxLength={400} value={typed.reason}
                onChange={(event) => setTyped({ ...typed, reason: event.target.value })} />
            </Field>
          </fieldset>
          {general ? <p className="refusal" role="alert">{sentence(general)}</p> : null}
          {lost && sent ? (
            <Lost what="credit note" error={outcome?.error} busy={busy} again={() => void entry.submit(sent)}
              onClose={onClose} />
          ) : (
            <footer>
              <button type="submit" className="main" disabled={busy}>
                {busy ? "Recording…" : "Record credit note"}
              </button>
              <button type="button" disabled={busy} onClick={onClose}>Cancel</button>
            </footer>
          )}
        </form>
        <Owed form={form} onPick={(amount) => setTyped({ ...typed, amount })} />
      </div>
    </Dialog>
  );
}
