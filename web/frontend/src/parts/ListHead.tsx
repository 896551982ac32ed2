import type { Column } from "./List";

export function Head<T>({ columns, sort, onSort }: {
  columns: Column<T>[];
  sort: string | undefined;
  onSort: ((sort: string) => void) | undefined;
}) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {columns.map((column) => (
          <HeadCell key={column.head} column={column} isSorted={column.sort !== undefined && column.sort === sort}
            onSort={onSort} />
        ))}
      </tr>
    </thead>
  );
}

/** The server orders amounts from the largest on, and all else from the smallest. */
function HeadCell<T>({ column, isSorted, onSort }: {
  column: Column<T>;
  isSorted: boolean;
  onSort: ((sort: string) => void) | undefined;
}) {
  const { head, kind, width, sort } = column;
  const [direction, arrow] = kind === "amount" ? (["descending", " ↓"] as const) : (["ascending", " ↑"] as const);
  return (
    <th
      scope="col"
      className={kind}
      style={width ? { width: `calc(${width}ch + var(--gaps))` } : undefined}
      aria-sort={isSorted ? direction : undefined}
    >
      {sort && onSort ? (
        <button type="button" className="sort" onClick={() => onSort(sort)}>
          {head}
          {isSorted && <span aria-hidden="true">{arrow}</span>}
        </button>
      ) : (
        head
      )}
    </th>
  );
}
