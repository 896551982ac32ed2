// A long list: one real table, whose rows come by cursor as one scrolls, and of which only those in sight are drawn.
import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import { Fragment, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { Page } from "../api/types";
import { showAmount } from "../words/text";
import { useMedia, usePrinting } from "./hooks";
import { Head } from "./ListHead";
import { Gap, Row } from "./ListRow";
import { useRowFocus, useVirtualRows } from "./rows";
import { Empty, Failed, Loading } from "./State";

interface AnyColumn {
  head: string;
  width?: number; // in signs; without it, the column shares what is left
  wide?: number; // the same where there is much room; 0 shares it
  spare?: 1 | 2; // 1 is left out on a phone, 2 on a narrow screen, too
  seldom?: true; // left out where no row has anything in it
  sort?: string; // what the server calls the order by this column
}

/** An amount is never cut short: its column is as wide as the longest; quiet ones of nothing stand back. */
export interface AmountColumn<T> extends AnyColumn {
  kind: "amount";
  amount: (row: T) => string;
  quiet?: boolean;
}

export interface CellColumn<T> extends AnyColumn {
  kind?: "code" | "day" | "number"; // words where it says nothing
  cell: (row: T) => ReactNode;
}

export type Column<T> = AmountColumn<T> | CellColumn<T>;

/** What a row does: it leads to a page, or opens beneath itself. */
export interface Acts<T> {
  link?: (row: T) => string;
  full?: (row: T) => ReactNode;
  struck?: (row: T) => boolean;
  wraps?: true; // its last column is shown whole
}

type Asked<T> = UseInfiniteQueryResult<InfiniteData<Page<T>>>;

interface Props<T> extends Acts<T> {
  caption: string;
  asked: Asked<T>;
  columns: Column<T>[];
  id: (row: T) => string | number;
  sort?: string;
  onSort?: (sort: string) => void;
  total?: number | undefined;
  empty: ReactNode;
}

const AHEAD = 40; // rows before the end at which the next are asked for

export function List<T>(props: Props<T>) {
  const { asked, empty, id } = props;
  // A search goes on by how many it gave: a record that is added meanwhile moves a row onto the next page, too.
  const rows = useMemo(() => {
    const all = asked.data?.pages.flatMap((page) => page.rows) ?? [];
    return [...new Map(all.map((row) => [id(row), row])).values()];
  }, [asked.data]); // what names a row never changes
  if (asked.isPending) return <Loading rows={12} />;
  if (!asked.data) return <Failed error={asked.error} again={() => void asked.refetch()} />;
  if (!rows.length) return <Empty>{empty}</Empty>;
  return <Table {...props} rows={rows} />;
}

function Table<T>({ rows, ...props }: Props<T> & { rows: T[] }) {
  const { asked, caption, total, id } = props;
  const columns = useColumns(props.columns, rows);
  const body = useRef<HTMLTableSectionElement>(null);
  const focus = useRowFocus(rows.length, body);
  const { virtual, margin } = useVirtualRows(rows.length, focus.index, body);
  // Paper has no window through which one looks at a list.
  const printing = usePrinting();
  const items = printing ? rows.map((_, index) => ({ index, start: 0, end: 0 })) : virtual.getVirtualItems();
  const [opened, setOpened] = useState<ReadonlySet<string | number>>(new Set());
  useMoreAhead(asked, !printing && (items.at(-1)?.index ?? 0) > rows.length - AHEAD);

  const toggle = (row: T) =>
    setOpened((now) => {
      const next = new Set(now);
      if (!next.delete(id(row))) next.add(id(row));
      return next;
    });
  const count = total ?? (asked.hasNextPage ? -1 : rows.length);
  return (
    <>
      <table
        className={["list", (props.full || props.wraps) && "wraps", asked.isPlaceholderData && "waiting"]
          .filter(Boolean).join(" ")}
        aria-rowcount={count < 0 ? count : count + 1}
        aria-busy={asked.isFetching}
      >
        <caption className="unseen">{caption}</caption>
        <Head columns={columns} sort={props.sort} onSort={props.onSort} />
        <tbody ref={body} onKeyDown={(event) => focus.move(event, virtual)}>
          {items.map((item, i) => {
            const row = rows[item.index];
            return row === undefined ? null : (
              <Fragment key={id(row)}>
                <Gap height={item.start - (items[i - 1]?.end ?? margin)} columns={columns.length} />
                <Row
                  row={row}
                  index={item.index}
                  measure={printing ? unmeasured : virtual.measureElement}
                  columns={columns}
                  acts={props}
                  isOpen={opened.has(id(row))}
                  onToggle={() => toggle(row)}
                  inTabOrder={item.index === focus.index}
                  onFocus={() => focus.set(item.index)}
                />
              </Fragment>
            );
          })}
          {!printing && (
            <Gap height={virtual.getTotalSize() + margin - (items.at(-1)?.end ?? margin)} columns={columns.length} />
          )}
        </tbody>
      </table>
      {printing && asked.hasNextPage && <p>These are the first {rows.length}; the list goes on.</p>}
      <Ending asked={asked} />
    </>
  );
}

function unmeasured(): void {}

/** Leave out what there is no room for, and say how wide the rest is. */
function useColumns<T>(columns: Column<T>[], rows: T[]): Column<T>[] {
  const [phone, narrow] = [useMedia("(max-width: 640px)"), useMedia("(max-width: 1100px)")];
  return useMemo(() => {
    const widthOf = (column: Column<T>) => {
      const width = narrow ? column.width : (column.wide ?? column.width);
      return width && column.kind === "amount" ? Math.max(width, longest(rows.map(column.amount))) : width;
    };
    return columns
      .filter(({ spare }) => !spare || (spare === 1 ? !phone : !narrow))
      .filter((column) => !column.seldom || column.kind === "amount" || rows.some((row) => column.cell(row)))
      .map((column) => ({ ...column, width: widthOf(column) ?? 0 }));
  }, [columns, rows, phone, narrow]);
}

/** Return how many signs the longest amount takes, with the room between its thousands. */
function longest(amounts: string[]): number {
  return amounts.reduce((most, amount) => Math.max(most, showAmount(amount).length), 0) + 1;
}

function useMoreAhead<T>(asked: Asked<T>, near: boolean): void {
  const { hasNextPage, isFetching, isError, isPlaceholderData, fetchNextPage } = asked;
  useEffect(() => {
    if (near && hasNextPage && !isFetching && !isError && !isPlaceholderData) void fetchNextPage();
  }, [near, hasNextPage, isFetching, isError, isPlaceholderData, fetchNextPage]);
}

/** Say beneath a list that more of it is on its way, or why it is not. */
function Ending<T>({ asked }: { asked: Asked<T> }) {
  if (asked.isError) {
    const again = () => void (asked.isFetchNextPageError ? asked.fetchNextPage() : asked.refetch());
    return <Failed error={asked.error} again={again} />;
  }
  return <p className="ending" role="status">{asked.isFetchingNextPage ? "Loading more…" : ""}</p>;
}
