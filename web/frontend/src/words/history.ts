// The trail in words, as tracker/terminal/history.py says it.
import type { Change, StatementChange, Values } from "../api/types";
import { clean, plural, showAmount } from "./text";

const OURS = "isp-customer-tracker";

const NOUNS: Record<string, string> = {
  customers: "customer",
  locations: "location",
  services: "service",
  equipment: "equipment",
  billing: "bill",
  billing_items: "bill line",
  payments: "payment",
  payment_allocations: "allocation",
  trail: "row of the trail",
};

/** What tells a record from others of its table. */
const NAMES: Record<string, string> = {
  customers: "name",
  locations: "address",
  services: "service_name",
  equipment: "equipment_name",
  billing: "description",
};

const LABELS: Record<string, string> = {
  service_name: "name",
  equipment_name: "name",
  amount_billed: "amount",
  "services.cost": "monthly cost",
  "equipment.cost": "worth",
};

const AMOUNTS = new Set([
  "cost", "amount", "amount_billed", "amount_paid", "amount_allocated", "amount_left", "amount_due",
]);

/** As forms ask for them; the trail has no order. */
const COLUMNS = [
  "name", "phone_number", "address", "service_name", "equipment_name", "serial_number", "cost", "description",
  "amount_billed", "due_date",
];

/** What follows from a change that the line tells. */
const FOLLOWS = ["serial_repeat", "voided_on", "void_reason"];

/** The tables that a change can be asked for by, as the trail names them, and what their records are called. */
export const TABLES: [string, string][] = [
  ["customers", "customers"],
  ["locations", "locations"],
  ["services", "services"],
  ["equipment", "equipment"],
  ["billing", "bills"],
  ["payments", "payments"],
];

export function noun(table: string, count = 1): string {
  const name = NOUNS[table] ?? table;
  if (count === 1) return name;
  return table === "equipment" ? `${count} equipment` : plural(count, name);
}

/** Return a record as sentences name it: service 12, Fibre 100. */
export function recordName(table: string, id: number | string, record: Values | null): string {
  if (record && table === "payments") {
    return `payment ${id}, ${showAmount(text(record["amount"]))} on ${text(record["paid_on"])}`;
  }
  const name = record?.[NAMES[table] ?? ""];
  return name ? `${noun(table)} ${id}, ${text(name)}` : `${noun(table)} ${id}`;
}

/** Return what one statement was about: a record by its name, or how many. */
export function statementName(change: StatementChange): string {
  const { table_name: table, row_count: count, record, ids } = change;
  if (count > 1) return `${noun(table, count)}, ${ids.length > 40 ? `${ids.slice(0, 39)}…` : ids}`;
  const whose = record && change.kind !== "changed" ? ofWhat(table, record) : "";
  return `${recordName(table, ids, record)}${whose}`;
}

/** Say what a deleted record belonged to, by its ID: that may be gone, too. */
function ofWhat(table: string, record: Values): string {
  if (table === "customers") return "";
  if ("customer_id" in record) return `, of customer ${text(record["customer_id"])}`;
  return "location_id" in record ? `, at location ${text(record["location_id"])}` : "";
}

/** Return the name of a change in an account's history, empty where it is of the customer itself. */
export function nameInAccount(change: Change): string {
  const own = change.table_name === "customers" && change.kind === "changed";
  return own ? "" : recordName(change.table_name, change.record_id, change.record);
}

export function who(change: Change | StatementChange): string {
  const program = change.program === OURS ? "" : ` in ${change.program || "a program without a name"}`;
  return clean(`${change.person}${program}`);
}

/** Say what was changed, without when and by whom. */
export function what(change: Change | StatementChange, name: string): string {
  const [old, now] = [one(change.old), one(change.new)];
  const said =
    change.kind === "changed"
      ? [name, differences(change, old, now)].filter(Boolean).join(": ")
      : `${change.kind} ${name}`.trim();
  const reason = change.reason !== (now["void_reason"] ?? null) ? change.reason : null;
  return clean(reason ? `${said} (${reason})` : said);
}

/** Say which fields were changed: phone number 0201 555001 → 0201 555002. */
function differences(change: Change | StatementChange, old: Values, now: Values): string {
  if ("voided_at" in old || "voided_at" in now) {
    return now["voided_at"] ? `voided: ${text(now["void_reason"])}` : "void taken back";
  }
  return inOrder(old)
    .filter((column) => !FOLLOWS.includes(column) || Object.keys(old).length === 1)
    .map((column) => fieldChange(change, column, old, now, " "))
    .join("; ");
}

/** Return a change in full: who, by what, what for, and each field. */
export function inFull(change: Change | StatementChange, name: string): string[] {
  const login = change.person === change.login ? "" : `, with the login ${change.login}`;
  const lines = [
    `${change.kind[0]?.toUpperCase()}${change.kind.slice(1)} ${name}, ${change.changed_at.slice(0, 19).replace("T", " ")}`,
    `By ${who(change)}${login}`,
  ];
  if (change.reason) lines.push(`For ${change.reason}`);
  return [...lines, ...valueLines(change)].map(clean);
}

function valueLines(change: Change | StatementChange): string[] {
  if (change.kind === "changed") {
    const [old, now] = [one(change.old), one(change.new)];
    return inOrder(old).map((column) => fieldChange(change, column, old, now, ": "));
  }
  const record = change.record ?? {};
  return inOrder(record)
    .filter((column) => column !== "serial_repeat" && !column.endsWith("_folded"))
    .map((column) => `${label(change.table_name, column)}: ${shown(column, record[column], change.changed_at)}`);
}

function fieldChange(
  change: Change | StatementChange, column: string, old: Values, now: Values, between: string,
): string {
  const [was, is] = [old, now].map((values) => shown(column, values[column], change.changed_at));
  return `${label(change.table_name, column)}${between}${was} → ${is}`;
}

function one(values: Values | Values[] | null): Values {
  return Array.isArray(values) ? (values[0] ?? {}) : (values ?? {});
}

function label(table: string, column: string): string {
  return LABELS[`${table}.${column}`] ?? LABELS[column] ?? column.replaceAll("_", " ");
}

function inOrder(values: Values): string[] {
  const place = (column: string) => (COLUMNS.includes(column) ? COLUMNS.indexOf(column) : COLUMNS.length);
  return Object.keys(values).sort((one, other) => place(one) - place(other));
}

function shown(column: string, value: unknown, changedAt: string): string {
  if (value === null || value === undefined) return "none";
  if (column.endsWith("_at")) return momentIn(text(value), changedAt);
  return AMOUNTS.has(column) ? showAmount(text(value)) : text(value);
}

/** Show a moment, which the trail has in the zone of whoever wrote it, in the zone of the change as it is shown. */
function momentIn(written: string, changedAt: string): string {
  const offset = /([+-])(\d\d):?(\d\d)?$/.exec(changedAt);
  const minutes = offset ? Number(`${offset[1]}1`) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0)) : 0;
  const moment = new Date(new Date(written).getTime() + minutes * 60_000);
  return moment.toISOString().slice(0, 16).replace("T", " ");
}

function text(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
