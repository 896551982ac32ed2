// Adding and changing a customer, a location, a service or equipment.
import { useState, type FormEvent } from "react";
import { send, sentence } from "../api/client";
import type { Question, Values } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { Field } from "../parts/Field";
import { clean } from "../words/text";
import { Buttons } from "./Buttons";
import { Known } from "./Known";
import { said, type FieldSpec, type RecordKind } from "./records";
import { against, inGeneral, useEntry, type Outcome } from "./useEntry";

type Texts = Record<string, string>;

interface Props {
  kind: RecordKind;
  title: string;
  path: string; // where it is sent
  seen?: Values; // the record as it is shown, of a form that changes it
  onClose: () => void;
  onSaved: (sentence: string, row: Values) => void;
}

export function RecordForm({ kind, title, path, seen: first, onClose, onSaved }: Props) {
  const [seen, setSeen] = useState<Values | null>(first ?? null);
  const fields = seen ? [...kind.fields, ...(kind.more ?? [])] : kind.fields;
  const [texts, setTexts] = useState<Texts>(() => textsOf(fields, first ?? {}));
  const [confirmed, setConfirmed] = useState<string[]>([]);
  const entry = useEntry(
    (body: Values) => send<Values>(seen ? "PATCH" : "POST", path, body),
    (row) => onSaved(said(seen ? "Saved" : "Added", kind, { ...seen, ...row }), row),
  );
  const { busy, outcome } = entry;
  const names = fields.map(({ name }) => name);
  const questions = outcome?.failure?.questions ?? [];
  const present = outcome?.failure?.present ?? null;

  const save = (values: Texts, before: Values | null, yes: string[]) => {
    const body = before ? changedOnly(fields, values, before) : addition(kind, values, yes);
    if (body) void entry.submit(body);
    else onSaved("Nothing was changed.", {});
  };
  const enter = (name: string, text: string) => {
    setTexts({ ...texts, [name]: text });
    setConfirmed([]); // what was said of other words says nothing of these
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save(texts, seen, confirmed);
  };
  const answerYes = () => {
    const yes = [...confirmed, ...questions.map((question) => question.kind)];
    setConfirmed(yes);
    save(texts, seen, yes);
  };
  const goBack = () => {
    setConfirmed([]);
    entry.forget();
  };
  const goOn = (values: Texts, now: Values) => {
    setSeen(now);
    setTexts(values);
    entry.forget();
    save(values, now, confirmed);
  };

  return (
    <Dialog title={title} onClose={onClose} busy={busy}>
      {questions.length > 0 ? (
        <Asked questions={questions} busy={busy} yes="Add all the same" onYes={answerYes} onBack={goBack} />
      ) : present && seen ? (
        <Meanwhile fields={fields} texts={texts} seen={seen} present={present} busy={busy} onGoOn={goOn} />
      ) : (
        <form onSubmit={submit} noValidate>
          {fields.map((field, i) => (
            <Field key={field.name} label={field.label} optional={field.optional ?? false}
              refusal={against(outcome, field.name)}>
              <input
                autoFocus={i === 0}
                name={field.name}
                type={field.kind === "phone" ? "tel" : field.kind === "email" ? "email" : "text"}
                inputMode={field.kind === "amount" ? "decimal" : undefined}
                className={field.kind === "amount" ? "amount" : undefined}
                maxLength={field.longest * 2} // the server says what is too long; this only keeps a book out
                autoComplete="off"
                spellCheck={false}
                value={texts[field.name]}
                onChange={(event) => enter(field.name, event.target.value)}
              />
            </Field>
          ))}
          <Refusal outcome={outcome} fields={names}
            look={`Look whether this ${kind.noun} is there as you entered it before you enter it again.`} />
          <Buttons does={seen ? "Save" : "Add"} doing="Saving…" busy={busy} onClose={onClose} />
        </form>
      )}
    </Dialog>
  );
}

function textsOf(fields: FieldSpec[], row: Values): Texts {
  return Object.fromEntries(fields.map(({ name }) => [name, String(row[name] ?? "")]));
}

function addition(kind: RecordKind, texts: Texts, confirmed: string[]): Values {
  const values = kind.fields.map(({ name, optional }) => [name, optional && !texts[name] ? null : texts[name]]);
  const asks = kind.noun === "customer" ? { confirmed } : {};
  return { ...Object.fromEntries(values), ...asks };
}

/** Return what is to be written of a changed record, with the record as it was seen; null when nothing is. */
function changedOnly(fields: FieldSpec[], texts: Texts, seen: Values): Values | null {
  const changed = fields.filter(({ name }) => texts[name] !== String(seen[name] ?? ""));
  if (!changed.length) return null;
  const before = Object.fromEntries(fields.map(({ name }) => [name, seen[name] ?? null]));
  return { ...Object.fromEntries(changed.map(({ name }) => [name, texts[name]])), seen: before };
}

/** Say that a write was refused, or that its answer was lost. */
export function Refusal({ outcome, fields, look }: { outcome: Outcome | null; fields: string[]; look: string }) {
  const error = inGeneral(outcome, fields);
  if (outcome?.unknown) {
    return (
      <p className="refusal" role="alert">
        {sentence(outcome.error)} Whether it was saved is unknown. {look}
      </p>
    );
  }
  return error ? <p className="refusal" role="alert">{sentence(error)}</p> : null;
}

export function Asked({ questions, busy, yes, onYes, onBack }: {
  questions: Question[];
  busy: boolean;
  yes: string;
  onYes: () => void;
  onBack: () => void;
}) {
  return (
    <div className="asked" role="alert">
      {questions.map((question) => (
        <section key={question.kind}>
          <p>{clean(question.sentence)}</p>
          <Known customers={question.customers} payments={question.payments} />
        </section>
      ))}
      <footer>
        <button type="button" disabled={busy} onClick={onYes}>{busy ? "Saving…" : yes}</button>
        <button type="button" autoFocus disabled={busy} onClick={onBack}>Go back</button>
      </footer>
    </div>
  );
}

/** Say what somebody else made of the fields that are to be written, and ask whether theirs or these are to stand. */
function Meanwhile({ fields, texts, seen, present, busy, onGoOn }: {
  fields: FieldSpec[];
  texts: Texts;
  seen: Values;
  present: Values;
  busy: boolean;
  onGoOn: (texts: Texts, seen: Values) => void;
}) {
  const now = textsOf(fields, present);
  const before = textsOf(fields, seen);
  const theirs = fields.filter(({ name }) => texts[name] !== before[name] && now[name] !== before[name]);
  // What only they changed stays theirs either way.
  const mine = Object.fromEntries(
    fields.map(({ name }) => [name, (texts[name] === before[name] ? now[name] : texts[name]) ?? ""]),
  );
  const kept = { ...mine, ...Object.fromEntries(theirs.map(({ name }) => [name, now[name] ?? ""])) };
  return (
    <div className="asked" role="alert">
      {theirs.map(({ name, label }) => (
        <p key={name}>
          Meanwhile somebody changed {label} to <b>{clean(now[name]) || "none"}</b>; you entered{" "}
          <b>{clean(texts[name]) || "none"}</b>.
        </p>
      ))}
      {!theirs.length && <p>Meanwhile somebody changed this record.</p>}
      <footer>
        <button type="button" disabled={busy} onClick={() => onGoOn(mine, present)}>Overwrite</button>
        <button type="button" autoFocus disabled={busy} onClick={() => onGoOn(kept, present)}>Keep theirs</button>
      </footer>
    </div>
  );
}
