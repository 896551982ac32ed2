import { useEffect, useId, useRef, type ReactNode } from "react";

/** What has the focus in a dialog at first: not what closes it. */
const FIRST = ":is(form input, form select, form textarea, footer button)";

/** A modal dialog: Esc closes it, but not while something is being written, nor one that covers the page. */
export function Dialog({ title, onClose, busy = false, wide = false, cover = false, children }: {
  title: string;
  onClose: () => void;
  busy?: boolean;
  wide?: boolean;
  cover?: boolean; // hides the page and cannot be closed
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();

  useEffect(() => {
    const shown = dialog.current;
    const before = document.activeElement;
    if (shown && !shown.open) shown.showModal();
    shown?.querySelector<HTMLElement>(FIRST)?.focus();
    return () => {
      if (before instanceof HTMLElement && before !== document.body) before.focus();
      else document.querySelector<HTMLElement>(`dialog[open] ${FIRST}`)?.focus();
    };
  }, []);

  return (
    <dialog
      ref={dialog}
      className={cover ? "cover" : wide ? "wide" : undefined}
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        if (!busy && !cover) onClose();
      }}
      onCancel={(event) => {
        event.preventDefault();
        if (!busy && !cover) onClose();
      }}
      onClose={() => {
        if (busy || cover) dialog.current?.showModal(); // a browser may close it whatever is said to that
        else onClose();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {!cover && (
          <button type="button" className="plain" aria-label="Close" disabled={busy} onClick={onClose}>
            ✕
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}
