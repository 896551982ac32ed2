// What charts share: a name, a picture that is said in words, the same as a table, and fills that need no colour.
import { PatternLines } from "@visx/pattern";
import { useId, useLayoutEffect, useRef, useState, type ReactNode } from "react";

export function Chart({ title, said, picture, table, height }: {
  title: string;
  said: string; // what the picture shows, for who cannot see it
  picture: (width: number) => ReactNode;
  table: ReactNode;
  height: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  return (
    <figure className="chart">
      <figcaption><h2>{title}</h2></figcaption>
      <div ref={box} style={{ height }}>
        {width > 0 && (
          <svg role="img" aria-label={said} width={width} height={height}>
            {picture(width)}
          </svg>
        )}
      </div>
      <details>
        <summary>Table</summary>
        {table}
      </details>
    </figure>
  );
}

function useWidth(box: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    measure();
    const changes = new ResizeObserver(measure);
    changes.observe(element);
    return () => changes.disconnect();
  }, [box]);
  return width;
}

/** Fills from light to dark: ruled ever more closely, then solid. */
export type Fill = "empty" | "wide" | "ruled" | "close" | "solid";

const GAPS: Record<Exclude<Fill, "empty" | "solid">, number> = { wide: 9, ruled: 5.5, close: 3.5 };

/** Define the fills of a picture, and return how each is named in it. */
export function useFills(): [ReactNode, (fill: Fill) => string] {
  const id = useId().replace(/\W/g, "");
  const patterns = Object.entries(GAPS).map(([fill, gap]) => (
    <PatternLines key={fill} id={`${id}-${fill}`} width={gap} height={gap} orientation={["diagonal"]}
      stroke="currentColor" strokeWidth={fill === "close" ? 1.5 : 1.2} />
  ));
  const named = (fill: Fill) =>
    fill === "empty" ? "transparent" : fill === "solid" ? "currentColor" : `url(#${id}-${fill})`;
  return [<g key="fills">{patterns}</g>, named];
}

/** A swatch of a legend. */
export function Key({ fill, children }: { fill: Fill; children: ReactNode }) {
  const [fills, named] = useFills();
  return (
    <span className="key">
      <svg width="18" height="10" aria-hidden="true">
        {fills}
        <rect className="bar" x="0.5" y="0.5" width="17" height="9" fill={named(fill)} />
      </svg>
      {children}
    </span>
  );
}
