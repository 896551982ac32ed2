// A long list: one real table, whose rows come by cursor as one scrolls, and of which only those in sight are drawn.
import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import { defaultRangeExtractor, useWindowVirtualizer, type VirtualItem } from "@tanstack/react-virtual";
import { Fragment, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from "react";
import { Link, useNavigate } from "react-router";
import type { Page } from "../api/types";
import { clean } from "../words/text";
import { useMedia } from "./hooks";
import { Empty, Failed, Loading } from "./State";

export type Kind = "words" | "code" | "day" | "number" | "amount";

export interface Column<T> {
  head: string;
  cell: (row: T) => ReactNode;
  kind?: Kind; // words where it says nothing
  width?: number; // in signs; without it, the column shares what is left
  wide?: number; // the same where there is much room; 0 shares it
  spare?: 1 | 2; // 1 is left out on a phone, 2 on a narrow screen, too
  sort?: string; // what the server calls the order by this column
}

interface Props<T> {
  caption: string;
  asked: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  columns: Column<T>[];
  id: (row: T) => string | number;
  link?: (row: T) => string | null; // where the first column leads
  full?: (row: T) => ReactNode; // or what it opens beneath the row
  struck?: (row: T) => boolean;
  sort?: string;
  onSort?: (sort: string) => void;
  total?: number | undefined;
  empty: ReactNode;
}

const AHEAD = 40; // rows before the end at which the next are asked for
const [ROW, ROW_ON_PHONE] = [28, 40];

export function List<T>(props: Props<T>) {
  const { asked, empty } = props;
  if (asked.isPending) return <Loading rows={12} />;
  if (asked.isError && !asked.data) return <Failed error={asked.error} again={() => void asked.refetch()} />;
  const rows = asked.data.pages.flatMap((page) => page.rows);
  if (!rows.length) return <Empty>{empty}</Empty>;
  return <Table {...props} rows={rows} />;
}

function Table<T>({ rows, ...props }: Props<T> & { rows: T[] }) {
  const { asked, caption, total } = props;
  const columns = useColumns(props.columns);
  const body = useRef<HTMLTableSectionElement>(null);
  const [focused, setFocused] = useState(0);
  const wanted = useRef<number | null>(null);
  const { virtual, margin } = useVirtualRows(rows.length, Math.min(focused, rows.length - 1), body);
  const items = virtual.getVirtualItems();
  const [opened, setOpened] = useState<ReadonlySet<string | number>>(new Set());
  const last = items.at(-1)?.index ?? 0;
  useMoreAhead(asked, last > rows.length - AHEAD);

  const move = (event: KeyboardEvent<HTMLTableSectionElement>) => {
    const to = target(event.key, focused, rows.length);
    if (to === null || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    setFocused(to);
    wanted.current = to;
    if (to) virtual.scrollToIndex(to, { align: "auto" });
    else scrollTo(0, 0);
  };
  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const row = body.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"] [data-row]`);
    if (!row) return;
    wanted.current = null;
    row.focus({ preventScroll: true });
  });
  const toggle = (id: string | number) =>
    setOpened((now) => (now.has(id) ? new Set([...now].filter((other) => other !== id)) : new Set([...now, id])));

  const below = virtual.getTotalSize() + margin - (items.at(-1)?.end ?? margin);
  const count = total ?? (asked.hasNextPage ? -1 : rows.length);
  return (
    <>
      <table
        className={["list", props.full && "wraps", asked.isPlaceholderData && "waiting"].filter(Boolean).join(" ")}
        aria-rowcount={count < 0 ? count : count + 1}
        aria-busy={asked.isFetching}
      >
        <caption className="unseen">{caption}</caption>
        <Head columns={columns} sort={props.sort} onSort={props.onSort} />
        <tbody ref={body} onKeyDown={move}>
          {items.map((item, i) => {
            const row = rows[item.index];
            return row === undefined ? null : (
              <Fragment key={props.id(row)}>
                <Gap height={item.start - (items[i - 1]?.end ?? margin)} columns={columns.length} />
                <Row
                  row={row}
                  item={item}
                  measure={virtual.measureElement}
                  columns={columns}
                  list={props}
                  isOpen={opened.has(props.id(row))}
                  onToggle={() => toggle(props.id(row))}
                  inTabOrder={item.index === focused}
                  onFocus={() => setFocused(item.index)}
                />
              </Fragment>
            );
          })}
          <Gap height={below} columns={columns.length} />
        </tbody>
      </table>
      <Ending asked={asked} />
    </>
  );
}

/** Leave out what there is no room for, and say how wide the rest is. */
function useColumns<T>(columns: Column<T>[]): Column<T>[] {
  const [phone, narrow] = [useMedia("(max-width: 640px)"), useMedia("(max-width: 1100px)")];
  return columns
    .filter(({ spare }) => !spare || (spare === 1 ? !phone : !narrow))
    .map((column) => (narrow || column.wide === undefined ? column : { ...column, width: column.wide }));
}

/** Draw the rows in sight, and the one that has the focus; heights are measured, for those that are opened or wrap. */
function useVirtualRows(count: number, focused: number, body: { current: HTMLTableSectionElement | null }) {
  const phone = useMedia("(max-width: 640px)");
  const [margin, setMargin] = useState(0);
  useEffect(() => {
    const measure = () => {
      if (body.current) setMargin(Math.round(body.current.getBoundingClientRect().top + scrollY));
    };
    measure();
    const changes = new ResizeObserver(measure);
    changes.observe(document.body);
    return () => changes.disconnect();
  }, [body]);
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

function useMoreAhead<T>(asked: UseInfiniteQueryResult<InfiniteData<Page<T>>>, near: boolean): void {
  const { hasNextPage, isFetching, isError, isPlaceholderData, fetchNextPage } = asked;
  useEffect(() => {
    if (near && hasNextPage && !isFetching && !isError && !isPlaceholderData) void fetchNextPage();
  }, [near, hasNextPage, isFetching, isError, isPlaceholderData, fetchNextPage]);
}

function target(key: string, from: number, count: number): number | null {
  const page = 15;
  const to = {
    ArrowDown: from + 1, ArrowUp: from - 1, PageDown: from + page, PageUp: from - page, Home: 0, End: count - 1,
  }[key];
  return to === undefined ? null : Math.min(Math.max(to, 0), count - 1);
}

function Head<T>({ columns, sort, onSort }: {
  columns: Column<T>[];
  sort: string | undefined;
  onSort: ((sort: string) => void) | undefined;
}) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {columns.map((column) => {
          const { head, kind, sort: order } = column;
          const sorted = order && order === sort;
          const direction = kind === "amount" ? "descending" : "ascending";
          return (
            <th
              key={head}
              scope="col"
              className={kind}
              style={column.width ? { width: `calc(${column.width}ch + var(--gaps))` } : undefined}
              aria-sort={sorted ? direction : undefined}
            >
              {order && onSort ? (
                <button type="button" className="sort" onClick={() => onSort(order)}>
                  {head}
                  <span aria-hidden="true">{sorted ? (kind === "amount" ? " ↓" : " ↑") : ""}</span>
                </button>
              ) : (
                head
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

interface RowProps<T> {
  row: T;
  item: VirtualItem;
  measure: (element: Element | null) => void;
  columns: Column<T>[];
  list: Omit<Props<T>, "rows">;
  isOpen: boolean;
  onToggle: () => void;
  inTabOrder: boolean;
  onFocus: () => void;
}

function Row<T>({ row, item, measure, columns, list, isOpen, onToggle, inTabOrder, onFocus }: RowProps<T>) {
  const navigate = useNavigate();
  const to = list.link?.(row) ?? null;
  const full = list.full;
  const act = (event: MouseEvent<HTMLTableRowElement>) => {
    if (isOwnClick(event)) return;
    if (full) onToggle();
    else if (to) void navigate(to);
  };
  return (
    <tr
      ref={measure}
      data-index={item.index}
      aria-rowindex={item.index + 2}
      className={[list.struck?.(row) && "struck", (to || full) && "opens"].filter(Boolean).join(" ") || undefined}
      onClick={act}
      onFocus={onFocus}
    >
      {columns.map((column, i) => {
        const shown = column.cell(row);
        const said = typeof shown === "string" || typeof shown === "number" ? clean(shown) : shown;
        const tip = typeof said === "string" && said.length > 20 ? said : undefined;
        const order = inTabOrder ? 0 : -1;
        if (i) {
          return (
            <td key={column.head} className={column.kind} title={full ? undefined : tip}>
              {said}
              {isOpen && i === columns.length - 1 && full?.(row)}
            </td>
          );
        }
        return (
          <th key={column.head} scope="row" className={column.kind} title={tip}>
            {full ? (
              <button type="button" data-row className="row" tabIndex={order} aria-expanded={isOpen} onClick={onToggle}>
                {said}
              </button>
            ) : to ? (
              <Link data-row to={to} tabIndex={order}>{said}</Link>
            ) : (
              said
            )}
          </th>
        );
      })}
    </tr>
  );
}

/** Tell whether a click was on a link or button, which act themselves, or ended a selection of text. */
function isOwnClick(event: MouseEvent<HTMLElement>): boolean {
  const on = event.target instanceof Element && event.target.closest("a, button, input, .full");
  return Boolean(on) || event.button !== 0 || !getSelection()?.isCollapsed;
}

function Gap({ height, columns }: { height: number; columns: number }) {
  return height > 0 ? (
    <tr aria-hidden="true" className="gap">
      <td colSpan={columns} style={{ height }} />
    </tr>
  ) : null;
}

/** Say beneath a list that more of it is on its way, or why it is not. */
function Ending<T>({ asked }: { asked: UseInfiniteQueryResult<InfiniteData<Page<T>>> }) {
  if (asked.isError) {
    const again = () => void (asked.isFetchNextPageError ? asked.fetchNextPage() : asked.refetch());
    return <Failed error={asked.error} again={again} />;
  }
  return <p className="ending" role="status">{asked.isFetchingNextPage ? "Loading more…" : ""}</p>;
}
