import { useEffect, useRef, useState } from "react";
import { useSettled } from "./hooks";

/** The words that a list is searched by; they go into the address when one pauses. */
export function SearchBox({ label, value, onChange }: {
  label: string;
  value: string;
  onChange: (value: string) => void;
}) {
  const [typed, setTyped] = useState(value);
  const settled = useSettled(typed, 150);
  // The address follows what is typed; on back and forward what is typed follows the address. What comes back from the
  // address of what was sent there is no news: more may have been typed meanwhile.
  const sent = useRef(value);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setTyped(value);
  }, [value]);
  useEffect(() => {
    if (settled !== typed || settled.trim() === value) return;
    sent.current = settled.trim();
    onChange(sent.current);
  }, [settled]);
  return (
    <input
      type="search"
      className="filter"
      aria-label={label}
      placeholder={label}
      autoComplete="off"
      spellCheck={false}
      maxLength={200}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}
