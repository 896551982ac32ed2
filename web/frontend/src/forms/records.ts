// The forms of customers and of what stands at their sites: their fields, and what is said once they are saved.
import type { Values } from "../api/types";
import { clean, showAmount } from "../words/text";

export interface FieldSpec {
  name: string;
  label: string;
  kind: "text" | "phone" | "email" | "amount";
  longest: number;
  optional?: boolean;
}

export interface RecordKind {
  noun: string;
  key: string; // the ID's column
  path: string; // below /api, where records of the kind are changed
  fields: FieldSpec[];
  more?: FieldSpec[]; // which a new record is not asked for
  name: (row: Values) => string;
}

const amount = (label: string): FieldSpec => ({ name: "cost", label, kind: "amount", longest: 13 });

export const CUSTOMER: RecordKind = {
  noun: "customer",
  key: "customer_id",
  path: "customers",
  fields: [
    { name: "name", label: "Name", kind: "text", longest: 200 },
    { name: "phone_number", label: "Phone number", kind: "phone", longest: 60, optional: true },
  ],
  more: [
    { name: "email", label: "E-mail", kind: "email", longest: 254, optional: true },
    { name: "account_number", label: "Account number", kind: "text", longest: 50, optional: true },
  ],
  name: (row) => `customer ${row["customer_id"]}, ${row["name"]}`,
};

export const LOCATION: RecordKind = {
  noun: "location",
  key: "location_id",
  path: "locations",
  fields: [{ name: "address", label: "Address", kind: "text", longest: 300 }],
  name: (row) => `location ${row["location_id"]}, ${row["address"]}`,
};

export const SERVICE: RecordKind = {
  noun: "service",
  key: "service_id",
  path: "services",
  fields: [{ name: "service_name", label: "Service name", kind: "text", longest: 100 }, amount("Monthly cost")],
  name: (row) => `service ${row["service_id"]}, ${row["service_name"]}, at ${cost(row)} a month`,
};

export const EQUIPMENT: RecordKind = {
  noun: "equipment",
  key: "equipment_id",
  path: "equipment",
  fields: [
    { name: "equipment_name", label: "Equipment name", kind: "text", longest: 100 },
    { name: "serial_number", label: "Serial number", kind: "text", longest: 100, optional: true },
    amount("Cost"),
  ],
  name: (row) => `equipment ${row["equipment_id"]}, ${row["equipment_name"]}, worth ${cost(row)}`,
};

function cost(row: Values): string {
  return showAmount(String(row["cost"]));
}

export function said(verb: "Added" | "Saved", kind: RecordKind, row: Values): string {
  return clean(`${verb} ${kind.name(row)}.`);
}
