import { usePerson } from "../api/session";

/** The day that a report is of: today where none is picked. */
export function AsOf({ value, onChange }: { value: string; onChange: (day: string) => void }) {
  const { today } = usePerson();
  return (
    <label className="as-of">
      As of
      <input type="date" max={today} value={value || today}
        onChange={(event) => onChange(event.target.value === today ? "" : event.target.value)} />
    </label>
  );
}
