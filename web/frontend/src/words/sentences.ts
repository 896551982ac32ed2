// What records and reports are called, in the terminal's words (tracker/terminal/screens.py, forms.py, main.py).
import type {
  Account, AgedTotal, EquipmentHit, LatestNote, LateTotal, Note, OpenBill, Payment, PaymentHit, PaymentOfCustomer,
  PaymentOnBill, Pledge, SiteService, StockTotal,
} from "../api/types";
import { clean, length, plural, showAmount, sum } from "./text";

export function lateFooter(total: LateTotal): string {
  if (!total.customers) return "Nobody is late.";
  return `${plural(total.customers, "customer")} late, with ${showAmount(total.amount)} in total.`;
}

export function agingTitle(total: AgedTotal): string {
  const late = sum([total.days_30, total.days_60, total.days_90, total.older]);
  return `What is owed, by age: ${late} of ${showAmount(total.total)} is late.`;
}

/** Return how a bill stands: 14 days late, or due 2026-12-06. */
export function billState(bill: { days_late: number; due_date: string }): string {
  return bill.days_late ? `${plural(bill.days_late, "day")} late` : `due ${bill.due_date}`;
}

/** Explain what is to pay on a bill: its due date, today and what was billed. */
export function whyDue(bill: OpenBill): string {
  return `Due ${bill.due_date}, today ${bill.today}, billed ${showAmount(bill.amount_billed)}.`;
}

export function paymentOnBill(payment: PaymentOnBill): string {
  const voided = payment.voided_on ? `, void since ${payment.voided_on}` : "";
  const { kind, payment_id, paid_on, amount } = payment;
  return `${capital(kind)} ${payment_id} on ${paid_on}: ${showAmount(amount)}${voided}.`;
}

export function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function recorded(payment: Payment): string {
  if (payment.kind !== "payment") return `Recorded ${paymentName(payment)}.`;
  const paid = `${showAmount(payment.amount)} on ${payment.paid_on}`;
  return clean(`Recorded payment ${payment.payment_id}, ${paid}, of ${payment.name}.`);
}

export function paymentName(payment: Payment): string {
  const said = `${payment.kind} ${payment.payment_id}, ${showAmount(payment.amount)} on ${payment.paid_on}`;
  return clean(`${said}, ${payment.reason ?? payment.method}, of ${payment.name}`);
}

/** Say what a payment is, or how money came or went: cash; credit note; refund, cash. */
export function howPaid({ kind, method }: PaymentHit | PaymentOfCustomer): string {
  if (kind === "payment") return method;
  return kind === "refund" ? `refund, ${method}` : kind;
}

/** Say since when a closed account is so, and that the person was erased. */
export function closedSaid({ closed_on, erased_on }: Account): string {
  return `Closed ${closed_on}${erased_on ? `, erased ${erased_on}` : ""}.`;
}

export function promiseSaid(promise: Pledge): string {
  const what = promise.state === "open" ? "promised" : "broken promise of";
  return `${what} ${showAmount(promise.amount)} until ${promise.until}`;
}

/** Return what a note promises and what has become of that: 50.00 until 2026-12-05, open. */
export function promised(note: LatestNote | Note): string {
  if (!note.promised_until) return "";
  return `${showAmount(note.promised_amount)} until ${note.promised_until}, ${note.state}`;
}

/** Return what a note says, without its full stop where its promise follows. */
export function noteSaid({ note, state }: LatestNote | Note): string {
  return clean(state ? note?.replace(/\.+$/, "") : note);
}

export function noted(note: Note, name: string): string {
  const { customer_note_id, promised_until, promised_amount } = note;
  const promise = promised_until ? `: ${showAmount(promised_amount)} promised until ${promised_until}` : "";
  return clean(`Added note ${customer_note_id} to ${name}${promise}.`);
}

/** Say since when a service runs, whether it rests or ends, and what it will cost; nothing of one that goes on. */
export function serviceSaid({ started_on, standing, coming_prices }: SiteService): string[] {
  const begins = standing?.startsWith("from");
  const prices = coming_prices.map(({ cost, from_day }) => `${showAmount(cost)} from ${from_day}`);
  return [
    started_on && !begins ? `since ${started_on}` : "", ...(standing ?? "").split(", "), ...prices,
  ].filter(Boolean);
}

export function moved(device: EquipmentHit): string {
  const to = device.location_id === null ? "stock" : `${device.address}, of ${device.name}`;
  return clean(`Moved equipment ${device.equipment_id}, ${device.equipment_name}, to ${to}.`);
}

export function stockFooter(total: StockTotal): string {
  return total.devices ? `${plural(total.devices, "device")} in stock, worth ${showAmount(total.worth)}.` : "";
}

const ORDERS = ["oldest", "amount", "name"] as const;

/** Return the order that an address names, the oldest first where it names none. */
export function orderOf(name: string): (typeof ORDERS)[number] {
  return ORDERS.find((order) => order === name) ?? "oldest";
}

/** Count what a search or list found. */
export function counted(total: number, more: boolean, noun: string): string {
  return more ? `More than ${plural(total, noun)}` : plural(total, noun);
}

export function share(part: string, whole: string): number {
  return length(whole) ? length(part) / length(whole) : 0;
}
