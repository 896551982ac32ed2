// What was said with a customer, and what they promised, as the terminal's account screen says it.
import { Link } from "react-router";
import type { LatestNote, Note } from "../api/types";
import { noteSaid, promised } from "../words/sentences";
import { clean } from "../words/text";

export function LatestNotes({ notes, count }: { notes: LatestNote[]; count: number }) {
  if (!notes.length) return null;
  return (
    <>
      <h2>Notes</h2>
      <ul className="notes">
        {notes.map((note) => (
          <li key={note.customer_note_id}>
            <span className="muted">{note.noted_on} {clean(note.noted_by)}:</span> {noteSaid(note)}
            {note.state && <>{noteSaid(note) && "; "}promised <PromiseState of={note} /></>}
          </li>
        ))}
      </ul>
      {count > notes.length && (
        <p className="muted"><Link to="?tab=notes">and {count - notes.length} earlier</Link></p>
      )}
    </>
  );
}

/** What a note promises, marked as long as it is open, and where it was broken. */
export function PromiseState({ of }: { of: LatestNote | Note }) {
  const mark = { open: "mark", broken: "late" }[of.state ?? ""];
  return <span className={mark}>{promised(of)}</span>;
}
