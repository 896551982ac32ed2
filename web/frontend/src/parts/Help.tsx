import { Dialog } from "./Dialog";

const KEYS: [string[], string][] = [
  [["/"], "Find a customer; ↑ ↓ and Enter choose, Esc closes"],
  [["↑", "↓"], "Go through a list, once a row of it has the focus"],
  [["Page Up", "Page Down", "Home", "End"], "Go through a list in larger steps"],
  [["Enter"], "Open the row"],
  [["Esc"], "Close a form or a list of choices"],
  [["?"], "Show these keys"],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([keys, does]) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
