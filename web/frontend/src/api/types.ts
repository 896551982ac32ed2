// The shapes of the API, written by hand until the server's OpenAPI document is there.

export interface Person {
  login: string;
  name: string;
  may_change: boolean;
  why_not: string;
  token: string;
  database: string;
  server: string;
  version: string;
  today: string;
  idle_minutes: number;
}

export interface Session {
  by: "password" | "link";
  person: Person | null;
}

export interface Customer {
  customer_id: number;
  name: string;
  phone_number: string | null;
}

export interface CustomerHit extends Customer {
  address: string | null;
}

export interface PaymentHit {
  payment_id: number;
  customer_id: number;
  name: string;
  paid_on: string;
  amount: string;
  method: string;
  reference: string | null;
  voided_on: string | null;
}

export interface Question {
  kind: string;
  sentence: string;
  customers: Customer[];
  payments: Partial<PaymentHit>[];
}

export interface Failure {
  error: string;
  field: string | null;
  questions: Question[];
  present: Record<string, unknown> | null;
}

export interface Page<T> {
  rows: T[];
  next: string | null;
}

/** A page of what was searched; total counts all hits, and more says that there are more than that. */
export interface Found<T> extends Page<T> {
  total: number | null;
  more: boolean;
}

export interface Ages {
  not_due: string;
  days_30: string;
  days_60: string;
  days_90: string;
  older: string;
  total: string;
}

export interface AgedTotal extends Ages {
  customers: number;
}

export interface AgedCustomer extends Ages {
  customer_id: number;
  name: string;
  oldest_due_date: string;
}

export interface LateCustomer {
  customer_id: number;
  name: string;
  phone_number: string | null;
  amount_late: string;
  oldest_due_date: string;
  days_late: number;
  last_payment_date: string | null;
}

export interface LateTotal {
  customers: number;
  amount: string;
}

export interface Report<T, S> extends Page<T> {
  as_of: string;
  total: S;
}

export interface BillRun {
  period: string;
  issued_on: string;
  bills: number;
  amount: string;
  paid: string;
}

export interface Verified {
  verified_at: string;
  person: string;
  bills: number;
  payments: number;
  findings: number;
  first_finding: string | null;
}

export interface Overview {
  today: string;
  customers: number;
  customers_exact: boolean;
  late: LateTotal;
  aged: AgedTotal;
  payments_today: { count: number; amount: string; rows: PaymentHit[] };
  bill_runs: BillRun[];
  verified: Verified | null;
}

export interface MonthlyRevenue {
  month: string;
  billed: string;
  collected: string;
}

export interface RecurringRevenue {
  service_name: string;
  services: number;
  monthly: string;
}

export interface Revenue {
  summed_at: string;
  months: MonthlyRevenue[];
  recurring: RecurringRevenue[];
  monthly_total: string;
}

export interface BillHit {
  billing_id: number;
  customer_id: number;
  name: string;
  description: string;
  due_date: string;
  amount_billed: string;
  amount_due: string;
  last_payment_date: string | null;
  is_late: boolean;
  days_late: number;
}

export interface Bill extends BillHit {
  period: string | null;
  issued_on: string;
  amount_paid: string;
  items: { description: string; amount: string }[] | null;
}

export interface EquipmentHit {
  equipment_id: number;
  location_id: number;
  customer_id: number;
  name: string;
  address: string;
  equipment_name: string;
  serial_number: string | null;
  cost: string;
}

export type Values = Record<string, unknown>;

interface AnyChange {
  trail_id: number;
  changed_at: string;
  person: string;
  login: string;
  program: string;
  reason: string | null;
  table_name: string;
  kind: string;
  record: Values | null;
}

/** What a statement did to one record. */
export interface Change extends AnyChange {
  record_id: number;
  old: Values | null;
  new: Values | null;
}

/** What a statement did to one or more records of a table; ids are ranges, as 1, 3-7. */
export interface StatementChange extends AnyChange {
  transaction_id: number;
  ids: string;
  row_count: number;
  record_id: number | null;
  old: Values | Values[] | null;
  new: Values | null;
}

export interface SiteService {
  service_id: number;
  service_name: string;
  cost: string;
}

export interface SiteEquipment {
  equipment_id: number;
  equipment_name: string;
  serial_number: string | null;
  cost: string;
}

export interface Site {
  location_id: number;
  address: string;
  services: SiteService[];
  equipment: SiteEquipment[];
}

export interface PaymentOnBill {
  payment_id: number;
  paid_on: string;
  amount: string;
  voided_on: string | null;
}

export interface OpenBill {
  billing_id: number;
  description: string;
  due_date: string;
  amount_billed: string;
  amount_paid: string;
  amount_due: string;
  days_late: number;
  today: string;
  payments: PaymentOnBill[];
}

export interface SettledBill {
  billing_id: number;
  description: string;
  due_date: string;
  amount_billed: string;
  last_payment_date: string | null;
}

export interface Account extends Customer {
  customer_since: string;
  locations: Site[];
  monthly_total: string;
  unpaid_bills: OpenBill[];
  paid_bills: SettledBill[];
  paid_bill_count: number;
  amount_due: string;
  credit: string;
}

export interface PaymentOfCustomer {
  payment_id: number;
  paid_on: string;
  amount: string;
  amount_left: string;
  method: string;
  reference: string | null;
  voided_on: string | null;
  void_reason: string | null;
}

export interface Payment extends PaymentOfCustomer {
  customer_id: number;
  name: string;
  recorded_at: string;
  recorded_by: string;
  bills: { billing_id: number; description: string; amount: string }[];
}

export interface UnpaidBill {
  billing_id: number;
  description: string;
  due_date: string;
  days_late: number;
  amount_billed: string;
  amount_paid: string;
  amount_due: string;
}

export interface PaymentForm {
  entry_key: string;
  today: string;
  methods: string[];
  unpaid_bills: UnpaidBill[];
  amount_due: string;
  credit: string;
}

export interface NewPayment {
  entry_key: string;
  amount: string;
  paid_on: string;
  method: string;
  reference: string | null;
  billing_id: number | null;
  confirmed: string[];
}

/** A record that stands at a customer's site. */
export interface Placed {
  customer_id: number;
  name: string;
  address: string;
}
