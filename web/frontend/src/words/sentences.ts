// What records and reports are called, in the terminal's words (tracker/terminal/screens.py, forms.py, main.py).
import type { AgedTotal, LateTotal, OpenBill, Payment, PaymentOnBill } from "../api/types";
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
  return `Payment ${payment.payment_id} on ${payment.paid_on}: ${showAmount(payment.amount)}${voided}.`;
}

export function recorded(payment: Payment): string {
  const paid = `${showAmount(payment.amount)} on ${payment.paid_on}`;
  return clean(`Recorded payment ${payment.payment_id}, ${paid}, of ${payment.name}.`);
}

export function paymentName(payment: Payment): string {
  const said = `payment ${payment.payment_id}, ${showAmount(payment.amount)} on ${payment.paid_on}`;
  return clean(`${said}, ${payment.method}, of ${payment.name}`);
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
