// The secret of a link, #key=…, leaves the address before anything else runs, so that no history, title or screenshot
// keeps it. This module is therefore the first that main.tsx imports.
let key = fromAddress();
let tell: () => void = () => {};

// A link that is opened where the page is open already changes no more than the fragment.
addEventListener("hashchange", () => {
  key = fromAddress();
  if (key) tell();
});

function fromAddress(): string | null {
  const found = /^#key=(.+)$/.exec(location.hash);
  if (found) history.replaceState(history.state, "", location.pathname + location.search);
  return found?.[1] ?? null;
}

/** Return the secret that the page was opened with, once. */
export function takeKey(): string | null {
  const taken = key;
  key = null;
  return taken;
}

/** Be told when a link is opened later. */
export function onKey(told: () => void): void {
  tell = told;
}
