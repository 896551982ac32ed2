import { groups, length, showAmount } from "../words/text";
import { useFills, type Fill } from "./Chart";

export interface Named {
  name: string;
  amount: string;
  fill: Fill;
}

const [ROW, THICK, GAP, SIGN] = [24, 12, 10, 7]; // SIGN is how wide a sign of the labels is at most

export function heightOf(rows: number): number {
  return rows * ROW;
}

/** Bars across, each with its name before it and its amount behind, in columns. */
export function Bars({ rows, width }: { rows: Named[]; width: number }) {
  const [fills, named] = useFills();
  const longest = Math.max(0, ...rows.map(({ name }) => name.length));
  const left = Math.min(longest * SIGN + GAP, width * 0.36);
  const right = Math.max(...rows.map(({ amount }) => showAmount(amount).length)) * (SIGN + 0.6) + GAP;
  const most = Math.max(1, ...rows.map(({ amount }) => length(amount)));
  const along = (amount: string) => (Math.max(0, width - left - right) * length(amount)) / most;
  const room = Math.floor((left - GAP) / SIGN);
  return (
    <>
      {fills}
      {rows.map(({ name, amount, fill }, i) => {
        const middle = i * ROW + ROW / 2;
        return (
          <g key={name}>
            <title>{`${name}: ${showAmount(amount)}`}</title>
            <text className="label" x={0} y={middle} dy="0.35em">
              {name.length > room ? `${name.slice(0, Math.max(1, room - 1))}…` : name}
            </text>
            <line className="axis" x1={left} x2={left} y1={i * ROW} y2={(i + 1) * ROW} />
            <rect className="bar" x={left} y={middle - THICK / 2} height={THICK} width={along(amount)}
              fill={named(fill)} />
            <text className="label number" x={width} y={middle} dy="0.35em" textAnchor="end">
              {groups(showAmount(amount)).map((group, at) => (
                <tspan key={at} dx={at ? 2 : 0}>{group}</tspan>
              ))}
            </text>
          </g>
        );
      })}
    </>
  );
}
