// Which rows of a long list are drawn, and which of them has the focus.
import { defaultRangeExtractor, useWindowVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { useMedia } from "./hooks";

type Body = { current: HTMLTableSectionElement | null };

const [ROW, ROW_ON_PHONE] = [28, 40];
const LEAP = 15; // rows that Page Up and Page Down go

/** Draw the rows in sight, and the one that has the focus; heights are measured, for those that are opened or wrap. */
export function useVirtualRows(count: number, focused: number, body: Body) {
  const phone = useMedia("(max-width: 640px)");
  const margin = useTop(body);
  const virtual = useWindowVirtualizer({
    count,
    estimateSize: () => (phone ? ROW_ON_PHONE : ROW),
    overscan: 20,
    rangeExtractor: (range) => {
      const inSight = defaultRangeExtractor(range);
      return inSight.includes(focused) ? inSight : [...inSight, focused].sort((one, other) => one - other);
    },
    scrollMargin: margin,
    scrollPaddingStart: 110,
    scrollPaddingEnd: 40,
  });
  return { virtual, margin };
}

/** Return how far down the page the rows begin. */
function useTop(body: Body): number {
  const [top, setTop] = useState(0);
  useEffect(() => {
    const measure = () => {
      if (body.current) setTop(Math.round(body.current.getBoundingClientRect().top + scrollY));
    };
    measure();
    const changes = new ResizeObserver(measure);
    changes.observe(document.body);
    return () => changes.disconnect();
  }, [body]);
  return top;
}

/** Let the arrows move the focus through the rows, of which one alone is in the order of Tab. */
export function useRowFocus(count: number, body: Body) {
  const [focused, setFocused] = useState(0);
  const wanted = useRef<number | null>(null);

  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const row = body.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"] [data-row]`);
    if (!row) return; // it is drawn a moment later
    wanted.current = null;
    row.focus({ preventScroll: true });
  });

  const move = (event: KeyboardEvent, virtual: Virtualizer<Window, Element>) => {
    const to = target(event.key, focused, count);
    if (to === null || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    setFocused(to);
    wanted.current = to;
    if (to) virtual.scrollToIndex(to, { align: "auto" });
    else scrollTo(0, 0);
  };
  return { index: Math.min(focused, count - 1), set: setFocused, move };
}

function target(key: string, from: number, count: number): number | null {
  const to = {
    ArrowDown: from + 1, ArrowUp: from - 1, PageDown: from + LEAP, PageUp: from - LEAP, Home: 0, End: count - 1,
  }[key];
  return to === undefined ? null : Math.min(Math.max(to, 0), count - 1);
}
