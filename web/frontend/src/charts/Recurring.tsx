import type { RecurringRevenue } from "../api/types";
import { Amount, Count } from "../parts/Amount";
import { clean, plural, showAmount, sum } from "../words/text";
import { Bars, heightOf, type Named } from "./Bars";
import { Chart } from "./Chart";

const SHOWN = 7;

/** Monthly recurring revenue by service: the largest ones, and all others together. */
export function Recurring({ services, total }: { services: RecurringRevenue[]; total: string }) {
  const rows = barsOf(services);
  const said = `Monthly recurring revenue of ${plural(services.length, "service")}, ${showAmount(total)} in total.`;
  return (
    <Chart
      title="Recurring revenue by service"
      said={said}
      height={heightOf(SHOWN + 1)}
      picture={(width) => (rows.length ? <Bars rows={rows} width={width} /> : <text y={14}>No services yet.</text>)}
      table={<RecurringTable services={services} total={total} />}
    />
  );
}

function barsOf(services: RecurringRevenue[]): Named[] {
  const rows: Named[] = services
    .slice(0, services.length > SHOWN + 1 ? SHOWN : SHOWN + 1)
    .map(({ service_name, monthly }) => ({ name: clean(service_name), amount: monthly, fill: "solid" }));
  const others = services.slice(rows.length);
  if (!others.length) return rows;
  const amount = sum(others.map(({ monthly }) => monthly));
  return [...rows, { name: `${others.length} others`, amount, fill: "ruled" }];
}

function RecurringTable({ services, total }: { services: RecurringRevenue[]; total: string }) {
  return (
    <table className="small">
      <caption className="unseen">Monthly recurring revenue by service</caption>
      <thead>
        <tr>
          <th scope="col">Service</th>
          <th scope="col" className="number">Services</th>
          <th scope="col" className="amount">Monthly</th>
        </tr>
      </thead>
      <tbody>
        {services.map((row) => (
          <tr key={row.service_name}>
            <th scope="row">{clean(row.service_name)}</th>
            <td className="number"><Count of={row.services} /></td>
            <td className="amount"><Amount of={row.monthly} /></td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row" colSpan={2}>Total</th>
          <td className="amount"><Amount of={total} /></td>
        </tr>
      </tfoot>
    </table>
  );
}
