import { usePerson } from "../api/session";
import { DayInput } from "./DayInput";

/** The day that a report is of: today where none is picked. */
export function AsOf({ value, shown, onChange }: {
  value: string;
  shown: string | undefined; // the day that the report says it is of
  onChange: (day: string) => void;
}) {
  const { today } = usePerson();
  return (
    <span className="labelled">
      <label htmlFor="as-of">As of</label>
      <DayInput id="as-of" value={value || (shown ?? today)}
        onChange={(day) => onChange(day === today ? "" : day)} />
    </span>
  );
}
