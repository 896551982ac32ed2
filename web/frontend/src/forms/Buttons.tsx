/** What a form ends with: its button, which says so while it is under way, and Cancel. */
export function Buttons({ does, doing, busy, danger = false, onClose }: {
  does: string;
  doing: string;
  busy: boolean;
  danger?: boolean;
  onClose: () => void;
}) {
  return (
    <footer>
      <button type="submit" className={danger ? "danger" : "main"} disabled={busy}>{busy ? doing : does}</button>
      <button type="button" disabled={busy} onClick={onClose}>Cancel</button>
    </footer>
  );
}
