import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { useLocation, useNavigationType, useSearchParams } from "react-router";

const PROGRAM = "ISP Customer Tracker";

/** Name the page in the browser's tab and history. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · ${PROGRAM}` : PROGRAM;
  }, [title]);
}

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = () => setMatches(list.matches);
    changed();
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, [query]);
  return matches;
}

/** Tell whether the page is being printed; the rows that paper needs must be there at once. */
export function usePrinting(): boolean {
  const [printing, setPrinting] = useState(false);
  useEffect(() => {
    const begin = () => flushSync(() => setPrinting(true));
    const end = () => setPrinting(false);
    addEventListener("beforeprint", begin);
    addEventListener("afterprint", end);
    return () => {
      removeEventListener("beforeprint", begin);
      removeEventListener("afterprint", end);
    };
  }, []);
  return printing;
}

/** Return a value once it has stayed the same for a while, and until then the one before. */
export function useSettled<T>(value: T, milliseconds: number, first: T = value): T {
  const [settled, setSettled] = useState(first);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}

/**
 * Read what is asked for from the address, and change it there, so that it can be sent to a colleague. Words being typed
 * replace the place in the history; a choice adds one.
 */
export function useAsked(): [(name: string) => string, (changed: Record<string, string>, replace?: boolean) => void] {
  const [params, setParams] = useSearchParams();
  const read = useCallback((name: string) => params.get(name) ?? "", [params]);
  const write = useCallback(
    (changed: Record<string, string>, replace = false) => {
      setParams(
        (now) => {
          const next = new URLSearchParams(now);
          for (const [name, value] of Object.entries(changed)) {
            if (value) next.set(name, value);
            else next.delete(name);
          }
          return next;
        },
        { replace, preventScrollReset: true },
      );
    },
    [setParams],
  );
  return [read, write];
}

const PLACES = "places";
const places = new Map<string, number>(JSON.parse(sessionStorage.getItem(PLACES) ?? "[]") as [string, number][]);
addEventListener("pagehide", () => sessionStorage.setItem(PLACES, JSON.stringify([...places])));

/** Name a place in the history; that of a page which was opened by its address has no key of its own. */
function placeOf({ key, pathname, search }: { key: string; pathname: string; search: string }): string {
  return key === "default" ? `${pathname}${search}` : key;
}

const opening = performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming | undefined;
if (opening?.type === "navigate") places.delete(placeOf({ key: "default", pathname: location.pathname, search: location.search }));

/** Go where one was on back and forward, and to the top of a page that is opened. */
export function useScrollPlaces(): void {
  const at = useLocation();
  const { pathname } = at;
  const key = placeOf(at);
  const how = useNavigationType();
  const before = useRef(pathname);

  useLayoutEffect(() => {
    const same = before.current === pathname;
    before.current = pathname;
    if (how === "POP") return returnTo(places.get(key) ?? 0);
    if (!same) scrollTo(0, 0);
    return undefined;
  }, [key, pathname, how]);

  // In the layout phase, so that a page that is gone does not note the place of its successor.
  useLayoutEffect(() => {
    history.scrollRestoration = "manual";
    const keep = () => places.set(key, scrollY);
    addEventListener("scroll", keep, { passive: true });
    return () => removeEventListener("scroll", keep);
  }, [key]);
}

const [PATIENCE, STEADY] = [5_000, 20];

/** Scroll there until the page is long enough and stays there, unless whoever reads it scrolls first. */
function returnTo(place: number): () => void {
  scrollTo(0, place);
  if (!place) return () => {};
  const until = performance.now() + PATIENCE;
  let steady = 0;
  let frame = requestAnimationFrame(function again() {
    steady = Math.abs(scrollY - place) < 2 ? steady + 1 : 0;
    if (steady > STEADY || performance.now() > until) return;
    if (!steady) scrollTo(0, place);
    frame = requestAnimationFrame(again);
  });
  const stop = () => cancelAnimationFrame(frame);
  for (const kind of ["wheel", "touchstart", "keydown"]) addEventListener(kind, stop, { once: true, passive: true });
  return stop;
}
