import { useState, type FormEvent } from "react";
import { send } from "../api/client";
import type { Payment } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { PaymentUses } from "../parts/PaymentUses";
import { paymentName } from "../words/sentences";
import { clean } from "../words/text";
import { Buttons } from "./Buttons";
import { Refusal } from "./RecordForm";
import { against, useEntry } from "./useEntry";

const AFTER: Record<string, string> = {
  payment: "What it paid is due again, unless other credit pays it",
  refund: "What it gave back is credit again, and pays what is due",
};

export function VoidDialog({ payment, onClose, onVoided }: {
  payment: Payment;
  onClose: () => void;
  onVoided: (sentence: string) => void;
}) {
  const [reason, setReason] = useState("");
  const entry = useEntry(
    (body: { reason: string }) => send<Payment>("POST", `/api/payments/${payment.payment_id}/void`, body),
    (voided) => onVoided(clean(`Voided ${paymentName(voided)}: ${voided.void_reason}`)),
  );
  const { kind, payment_id } = payment;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void entry.submit({ reason });
  };
  return (
    <Dialog title={`Void ${kind} ${payment_id}`} onClose={onClose} busy={entry.busy}>
      <form onSubmit={submit} noValidate>
        <p>
          This voids {paymentName(payment)}. {AFTER[kind] ?? AFTER["payment"]}; the {kind} stays in the list, struck out
          and with its reason. A void is not undone: record the {kind} again.
        </p>
        <PaymentUses payment={payment} />
        <Field label="Reason" refusal={against(entry.outcome, "reason")}>
          <input autoFocus name="reason" autoComplete="off" maxLength={400} value={reason}
            onChange={(event) => setReason(event.target.value)} />
        </Field>
        <Refusal outcome={entry.outcome} fields={["reason"]}
          look={`Look whether this ${kind} is void before you void it again.`} />
        <Buttons does={`Void ${kind}`} doing="Voiding…" busy={entry.busy} danger onClose={onClose} />
      </form>
    </Dialog>
  );
}
