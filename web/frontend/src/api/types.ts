// The shapes of the API, by the names that the page uses; schema.d.ts is made from the server's OpenAPI document.
import type { components, paths } from "./schema";

type Shapes = components["schemas"];

export type Account = Shapes["Account"];
export type AgedCustomer = Shapes["AgedCustomer"];
export type AgedTotal = Shapes["AgedTotal"];
export type Ages = Pick<AgedTotal, "not_due" | "days_30" | "days_60" | "days_90" | "older" | "total">;
export type Bill = Shapes["Bill"];
export type BillHit = Shapes["BillHit"];
export type BillRun = Shapes["Run"];
export type Change = Shapes["Told"];
export type Customer = Shapes["Customer"];
export type CustomerHit = Shapes["CustomerHit"];
export type EquipmentHit = Shapes["Equipment"];
export type LatestNote = Shapes["LatestNote"];
export type LateCustomer = Shapes["LateCustomer"];
export type LateTotal = Shapes["LateTotal"];
export type MonthlyRevenue = Shapes["MonthlyRevenue"];
export type NewCreditNote = Shapes["NewCreditNote"];
export type NewNote = Shapes["NewNote"];
export type NewPayment = Shapes["NewPayment"];
export type Note = Shapes["Note"];
export type OpenBill = Shapes["OpenBill"];
export type Overview = Shapes["Overview"];
export type Payment = Shapes["Payment"];
export type PaymentForm = Shapes["PaymentForm"];
export type PaymentHit = Shapes["PaymentHit"];
export type PaymentOfCustomer = Shapes["PaymentOfCustomer"];
export type PaymentOnBill = Shapes["PaymentOnBill"];
export type Person = Shapes["Person"];
export type PlaceOfDevice = Shapes["PlaceOfDevice"];
export type Pledge = Shapes["Promise"];
export type RecurringRevenue = Shapes["RecurringRevenue"];
export type Revenue = Shapes["Revenue"];
export type Session = Shapes["Who"];
export type SettledBill = Shapes["SettledBill"];
export type Site = Shapes["Site"];
export type SiteEquipment = Shapes["SiteEquipment"];
export type SiteService = Shapes["SiteService"];
export type Stocked = Shapes["Stocked"];
export type StockTotal = Shapes["StockTotal"];
export type Verified = Shapes["Verified"];

/** What a question of the server is about; the OpenAPI document leaves that open. */
export interface Question {
  kind: string;
  sentence: string;
  customers: Customer[];
  payments: PaymentHit[];
}

export interface Failure {
  error: string;
  field: string | null;
  questions: Question[];
  present: Values | null;
}

/** The fields of a record, in a form that is not of one kind of record alone. */
export type Values = Record<string, unknown>;

export interface Page<T> {
  rows: T[];
  next: string | null;
}

/** The addresses that can be read, and what each takes and gives. */
export type Readable = {
  [P in keyof paths]: paths[P] extends { get: { responses: { 200: { content: { "application/json": unknown } } } } }
    ? P
    : never;
}[keyof paths];
export type Answer<P extends Readable> = paths[P]["get"]["responses"][200]["content"]["application/json"];
export type Asked<P extends Readable> = NonNullable<paths[P]["get"]["parameters"]["query"]>;

/** Those that give a page of a list. */
export type Listed = { [P in Readable]: Answer<P> extends Page<unknown> ? P : never }[Readable];
