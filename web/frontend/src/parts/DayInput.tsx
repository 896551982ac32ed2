import { useRef, useState } from "react";
import { usePerson } from "../api/session";

interface Props {
  value: string;
  onChange: (day: string) => void;
  id?: string;
  name?: string;
  placeholder?: string;
  eager?: boolean; // tells of each sign, and not only of a whole day
  coming?: boolean; // a day from today on
  "aria-invalid"?: boolean;
  "aria-describedby"?: string | undefined;
}

/**
 * A day up to today, or from today on, written as everywhere in the program, whatever the browser's language makes of dates; it may be
 * said, too, which the server reads: today, yesterday. The browser's calendar opens beside it. A day that arrives while
 * somebody edits waits until they have done.
 */
export function DayInput({ value, onChange, eager = false, coming = false, ...input }: Props) {
  const { today } = usePerson();
  const [typed, setTyped] = useState<string | null>(null); // while it is edited
  const begunWith = useRef(value);
  const calendar = useRef<HTMLInputElement>(null);
  const edit = (text: string) => {
    if (typed === null) begunWith.current = value;
    setTyped(text);
  };
  const settle = () => {
    if (typed === null) return;
    const day = typed.trim();
    setTyped(null);
    if (day !== begunWith.current) onChange(day);
  };
  return (
    <span className="day-input">
      <input {...input} autoComplete="off" spellCheck={false} maxLength={40} value={typed ?? value}
        onFocus={() => edit(value)}
        onChange={(event) => {
          edit(event.target.value);
          if (eager) onChange(event.target.value);
        }}
        onBlur={settle}
        onKeyDown={(event) => {
          if (event.key === "Enter") settle();
        }} />
      <button type="button" className="plain" aria-label="Open the calendar"
        onClick={() => calendar.current?.showPicker()}>
        <svg width="12" height="12" aria-hidden="true" fill="none" stroke="currentColor">
          <path d="M1 2.5h10v8.5h-10zM1 5h10M3.5 0.5v3M8.5 0.5v3" />
        </svg>
      </button>
      <input ref={calendar} type="date" className="calendar" tabIndex={-1} aria-hidden="true"
        {...(coming ? { min: today } : { max: latest(today) })}
        value={isDay(value) ? value : ""}
        onChange={(event) => onChange(event.target.value)} />
    </span>
  );
}

/** Return the last day that can be picked: today was asked for at the sign-in, and midnight may have passed since. */
function latest(today: string): string {
  const now = new Date();
  const here = isoDay(now.getTime() - now.getTimezoneOffset() * 60_000);
  return here > today ? here : today;
}

function isDay(written: string): boolean {
  const moment = Date.parse(written);
  return !Number.isNaN(moment) && isoDay(moment) === written;
}

function isoDay(moment: number): string {
  return new Date(moment).toISOString().slice(0, 10);
}
