import { useState, type FormEvent, type KeyboardEvent } from "react";
import { send } from "../api/client";
import type { Account, NewNote, Note } from "../api/types";
import { DayInput } from "../parts/DayInput";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { noted } from "../words/sentences";
import { isNothing } from "../words/text";
import { Buttons } from "./Buttons";
import { Asked, Refusal } from "./RecordForm";
import { against, useEntry } from "./useEntry";

const FIELDS = ["note", "promised_until", "promised_amount"];

/** What was said with a customer, or what they promised to pay, or both. */
export function NoteDialog({ account, onClose, onSaved }: {
  account: Account;
  onClose: () => void;
  onSaved: (sentence: string) => void;
}) {
  const { customer_id, name, amount_due } = account;
  const [typed, setTyped] = useState({ note: "", until: "", amount: "" });
  const entry = useEntry(
    (body: NewNote) => send<Note>("POST", `/api/customers/${customer_id}/notes`, body),
    (note) => onSaved(noted(note, name)),
  );
  const owes = !isNothing(amount_due);
  const questions = entry.outcome?.failure?.questions ?? [];
  const add = (confirmed: NewNote["confirmed"]) => {
    const { note, until, amount } = typed;
    const all = until && owes ? amount_due : null;
    void entry.submit({
      note: note || null, promised_until: until || null, promised_amount: amount || all, confirmed,
    });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add([]);
  };
  return (
    <Dialog title="Note or promise" onClose={onClose} busy={entry.busy}>
      {questions.length > 0 ? (
        <Asked questions={questions} busy={entry.busy} yes="Add all the same" onYes={() => add(["much"])}
          onBack={entry.forget} />
      ) : (
        <form onSubmit={submit} noValidate>
          <Field label="Note" optional refusal={against(entry.outcome, "note")}>
            <textarea autoFocus name="note" rows={3} maxLength={4000} value={typed.note} onKeyDown={submitAtEnter}
              onChange={(event) => setTyped({ ...typed, note: event.target.value.replace(/\s*\n\s*/g, " ") })} />
          </Field>
          <Field label="Promised until" optional refusal={against(entry.outcome, "promised_until")}>
            <DayInput name="promised_until" eager coming value={typed.until}
              onChange={(until) => setTyped({ ...typed, until })} />
          </Field>
          <Field label="Promised amount" optional refusal={against(entry.outcome, "promised_amount")}
            note={owes && `Where nothing is entered, ${amount_due}, which is all that is to pay.`}>
            <input className="amount" inputMode="decimal" autoComplete="off" name="promised_amount" maxLength={30}
              value={typed.amount} onChange={(event) => setTyped({ ...typed, amount: event.target.value })} />
          </Field>
          <Refusal outcome={entry.outcome} fields={FIELDS}
            look="Look whether this note is there before you enter it again." />
          <Buttons does="Add" doing="Saving…" busy={entry.busy} onClose={onClose} />
        </form>
      )}
    </Dialog>
  );
}

/** A note is one line, however long. */
function submitAtEnter(event: KeyboardEvent<HTMLTextAreaElement>): void {
  if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}
