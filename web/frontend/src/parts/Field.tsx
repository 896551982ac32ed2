import { cloneElement, useEffect, useId, type ReactElement, type ReactNode } from "react";

type Input = ReactElement<{
  id?: string; name?: string; "aria-invalid"?: boolean; "aria-describedby"?: string | undefined;
}>;

/** An input with its label, and beside it what the server says against it. */
export function Field({ label, optional = false, refusal, note, children }: {
  label: string;
  optional?: boolean;
  refusal?: string | null | undefined;
  note?: ReactNode;
  children: Input;
}) {
  const id = useId();
  useEffect(() => {
    if (refusal) document.getElementById(id)?.focus();
  }, [refusal, id]);
  return (
    <div className="field">
      <label htmlFor={id}>
        {label}
        {optional && <span className="muted"> (optional)</span>}
      </label>
      {cloneElement(children, {
        id, "aria-invalid": Boolean(refusal), "aria-describedby": refusal || note ? `${id}-said` : undefined,
      })}
      {(refusal || note) && (
        <p id={`${id}-said`} className={refusal ? "refusal" : "muted"} role={refusal ? "alert" : undefined}>
          {refusal || note}
        </p>
      )}
    </div>
  );
}
