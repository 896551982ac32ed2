import type { AgedTotal, Ages } from "../api/types";
import { Amount } from "../parts/Amount";
import { agingTitle } from "../words/sentences";
import { Bars, heightOf } from "./Bars";
import { Chart, type Fill } from "./Chart";

const AGES: [string, keyof Ages, Fill][] = [
  ["Not due", "not_due", "empty"],
  ["1-30 days", "days_30", "wide"],
  ["31-60 days", "days_60", "ruled"],
  ["61-90 days", "days_90", "close"],
  ["Over 90", "older", "solid"],
];

/** What is owed by age: the older, the darker. */
export function Owed({ aged }: { aged: AgedTotal }) {
  const rows = AGES.map(([name, key, fill]) => ({ name, amount: aged[key], fill }));
  return (
    <Chart
      title="Owed by age"
      said={agingTitle(aged)}
      height={heightOf(rows.length)}
      picture={(width) => <Bars rows={rows} width={width} />}
      table={
        <table className="small">
          <caption className="unseen">Owed by age</caption>
          <thead>
            <tr>
              <th scope="col">Late for</th>
              <th scope="col" className="amount">Owed</th>
            </tr>
          </thead>
          <tbody>
            {AGES.map(([name, key]) => (
              <tr key={key}>
                <th scope="row">{name}</th>
                <td className="amount"><Amount of={aged[key]} /></td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">Total</th>
              <td className="amount"><Amount of={aged.total} /></td>
            </tr>
          </tfoot>
        </table>
      }
    />
  );
}
