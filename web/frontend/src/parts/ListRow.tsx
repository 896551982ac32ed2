import type { MouseEvent, ReactNode } from "react";
import { Link, useNavigate } from "react-router";
import { clean } from "../words/text";
import { Amount } from "./Amount";
import type { Acts, Column } from "./List";

const LONG = 20; // signs from which on a text may be cut short, and is said in full where one points

interface Props<T> {
  row: T;
  index: number;
  measure: (element: Element | null) => void;
  columns: Column<T>[];
  acts: Acts<T>;
  isOpen: boolean;
  onToggle: () => void;
  inTabOrder: boolean;
  onFocus: () => void;
}

export function Row<T>({ row, index, measure, columns, acts, isOpen, onToggle, inTabOrder, onFocus }: Props<T>) {
  const navigate = useNavigate();
  const { full, link, struck } = acts;
  const act = (event: MouseEvent<HTMLTableRowElement>) => {
    if (isOwnClick(event)) return;
    if (full) onToggle();
    else if (link && (event.ctrlKey || event.metaKey || event.shiftKey || event.button === 1)) {
      open(link(row), "_blank", "noopener");
    } else if (link) void navigate(link(row));
  };
  const order = inTabOrder ? 0 : -1;
  return (
    <tr ref={measure} data-index={index} aria-rowindex={index + 2} className={struck?.(row) ? "struck" : undefined}
      onClick={act} onAuxClick={act} onFocus={onFocus}>
      {columns.map((column, i) => {
        const said = shown(column, row);
        const tip = !full && typeof said === "string" && said.length > LONG ? said : undefined;
        return i ? (
          <td key={column.head} className={column.kind} title={tip}>
            {said}
            {isOpen && i === columns.length - 1 && full?.(row)}
          </td>
        ) : (
          <th key={column.head} scope="row" className={column.kind} title={tip}>
            {full ? (
              <button type="button" data-row className="row" tabIndex={order} aria-expanded={isOpen} onClick={onToggle}>
                {said}
              </button>
            ) : link ? (
              <Link data-row to={link(row)} tabIndex={order}>{said}</Link>
            ) : (
              said
            )}
          </th>
        );
      })}
    </tr>
  );
}

function shown<T>(column: Column<T>, row: T): ReactNode {
  if (column.kind === "amount") return <Amount of={column.amount(row)} quiet={column.quiet ?? false} />;
  const cell = column.cell(row);
  return typeof cell === "string" || typeof cell === "number" ? clean(cell) : cell;
}

/** Tell whether a click was on a link or button, which act themselves, or ended a selection of text. */
function isOwnClick(event: MouseEvent<HTMLElement>): boolean {
  const on = event.target instanceof Element && event.target.closest("a, button, .full");
  return Boolean(on) || event.button > 1 || !getSelection()?.isCollapsed;
}

/** The room of rows that are not drawn. */
export function Gap({ height, columns }: { height: number; columns: number }) {
  return height > 0 ? (
    <tr aria-hidden="true" className="gap">
      <td colSpan={columns} style={{ height }} />
    </tr>
  ) : null;
}
