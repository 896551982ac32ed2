// The secret of a link, #key=…, leaves the address before anything else runs, so that no history, title or screenshot
// keeps it. This module is therefore the first that main.tsx imports.
const found = /^#key=(.+)$/.exec(location.hash);
let key: string | null = found?.[1] ?? null;
if (found) history.replaceState(history.state, "", location.pathname + location.search);

/** Return the secret that the page was opened with, once. */
export function takeKey(): string | null {
  const taken = key;
  key = null;
  return taken;
}
