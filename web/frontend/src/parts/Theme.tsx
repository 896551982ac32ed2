import { useState } from "react";

const KEPT = "theme";
const CHOICES = [["", "As the system"], ["light", "Light"], ["dark", "Dark"]] as const;

/** Apply the colours that were chosen on this machine. */
export function applyTheme(): void {
  document.documentElement.dataset["theme"] = localStorage.getItem(KEPT) ?? "";
}

export function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem(KEPT) ?? "");
  return (
    <label className="theme">
      Colours
      <select
        value={theme}
        onChange={(event) => {
          setTheme(event.target.value);
          localStorage.setItem(KEPT, event.target.value);
          applyTheme();
        }}
      >
        {CHOICES.map(([value, name]) => (
          <option key={value} value={value}>{name}</option>
        ))}
      </select>
    </label>
  );
}
