import type { MonthlyRevenue } from "../api/types";
import { Amount } from "../parts/Amount";
import { isNothing, length, showAmount } from "../words/text";
import { Chart, Key, useFills } from "./Chart";
import { bands, ticks } from "./scale";

const HEIGHT = 208;
const [LEFT, TOP, BOTTOM] = [44, 8, 24];
const SHORT = new Intl.NumberFormat("en", { notation: "compact" });

/** What was billed beside what was collected, month by month, those that are billed ahead, too; it says this month. */
export function Months({ months, today }: { months: MonthlyRevenue[]; today: string | undefined }) {
  const now = months.find(({ month }) => month.slice(0, 7) === today?.slice(0, 7)) ?? months.at(-1);
  const said = now
    ? `Billed and collected in ${months.length} months; in ${now.month.slice(0, 7)} billed ` +
      `${showAmount(now.billed)}, collected ${showAmount(now.collected)}.`
    : "No months yet.";
  return (
    <div className="months">
      <Chart
        title="Billed and collected"
        said={said}
        height={HEIGHT}
        picture={(width) => <Picture months={months} width={width} />}
        table={<MonthsTable months={months} />}
      />
      <p className="keys">
        <Key fill="solid">billed</Key>
        <Key fill="ruled">collected</Key>
      </p>
    </div>
  );
}

function Picture({ months, width }: { months: MonthlyRevenue[]; width: number }) {
  const [fills, named] = useFills();
  const most = Math.max(1, ...months.flatMap(({ billed, collected }) => [length(billed), length(collected)]));
  const marks = ticks(most, 4);
  const across = bands(months.length, LEFT, width);
  const floor = HEIGHT - BOTTOM;
  const tall = (value: number) => ((floor - TOP) * value) / (marks.at(-1) ?? 1);
  const half = across.width / 2;
  const name = (month: string) => (across.step > 52 ? month.slice(0, 7) : month.slice(5, 7));
  return (
    <>
      {fills}
      {marks.slice(1).map((mark) => (
        <g key={mark}>
          <line className="rule" x1={LEFT} x2={width} y1={floor - tall(mark)} y2={floor - tall(mark)} />
          <text className="tick" x={LEFT - 6} y={floor - tall(mark)} dy="0.32em" textAnchor="end">
            {SHORT.format(mark)}
          </text>
        </g>
      ))}
      {months.map(({ month, billed, collected }, i) => {
        const at = across.at(i);
        // A void or a deletion may lower a month to less than nothing.
        const [one, other] = [tall(Math.max(0, length(billed))), tall(Math.max(0, length(collected)))];
        return (
          <g key={month} className="pair">
            <title>{`${month.slice(0, 7)}: billed ${showAmount(billed)}, collected ${showAmount(collected)}`}</title>
            <rect className="hit" x={at} y={TOP} width={across.width} height={floor - TOP} />
            <rect className="bar" x={at} y={floor - one} width={half} height={one} fill={named("solid")} />
            <rect className="bar" x={at + half} y={floor - other} width={half} height={other} fill={named("ruled")} />
            <text className="tick" x={at + half} y={floor + 16} textAnchor="middle">{name(month)}</text>
          </g>
        );
      })}
      <line className="axis" x1={LEFT} x2={width} y1={floor} y2={floor} />
    </>
  );
}

const SELDOM = [["Credited", "credited"], ["Written off", "written_off"], ["Refunded", "refunded"]] as const;

function MonthsTable({ months }: { months: MonthlyRevenue[] }) {
  const more = SELDOM.filter(([, key]) => months.some((row) => !isNothing(row[key])));
  return (
    <table className="small">
      <caption className="unseen">Billed and collected by month</caption>
      <thead>
        <tr>
          <th scope="col">Month</th>
          <th scope="col" className="amount">Billed</th>
          <th scope="col" className="amount">Collected</th>
          {more.map(([name]) => <th key={name} scope="col" className="amount">{name}</th>)}
        </tr>
      </thead>
      <tbody>
        {months.map((row) => (
          <tr key={row.month}>
            <th scope="row" className="day">{row.month.slice(0, 7)}</th>
            <td className="amount"><Amount of={row.billed} /></td>
            <td className="amount"><Amount of={row.collected} /></td>
            {more.map(([name, key]) => <td key={name} className="amount"><Amount of={row[key]} /></td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
