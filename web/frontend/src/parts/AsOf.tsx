import { DayInput } from "./DayInput";

/** The day that a report is of: today where none is picked. The server alone knows what day that is by now. */
export function AsOf({ value, shown, onChange }: {
  value: string;
  shown: string | undefined; // the day that the report says it is of
  onChange: (day: string) => void;
}) {
  return (
    <span className="labelled">
      <label htmlFor="as-of">As of</label>
      <DayInput id="as-of" placeholder="today" value={shown ?? value} onChange={onChange} />
    </span>
  );
}
