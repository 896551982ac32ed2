import { useEffect, useState } from "react";

/** What was saved last, at the foot of the window, so that nothing else moves; it stays until it is closed or left. */
export function Saved({ said }: { said: string }) {
  const [closed, setClosed] = useState("");
  useEffect(() => {
    if (!said) setClosed("");
  }, [said]);
  const shown = said !== closed ? said : "";
  return (
    <div className="saved" role="status">
      {shown && (
        <p>
          {shown}
          <button type="button" className="plain" aria-label="Close" onClick={() => setClosed(said)}>✕</button>
        </p>
      )}
    </div>
  );
}
