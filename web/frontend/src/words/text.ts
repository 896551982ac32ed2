// Values as text, as tracker/text.py shows them.

const JOINER = /(?<=[^\s\u200c\u200d])([\u200c\u200d])(?=[^\s\u200c\u200d])/;
const JOINER_OR_HIDDEN = new RegExp(`${JOINER.source}|[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]`, "gu");

/** Return text in which each character that could steer the page is shown as U+FFFD; joiners inside words stay. */
export function clean(value: string | number | null | undefined): string {
  const line = value === null || value === undefined ? "" : String(value);
  return line.replace(JOINER_OR_HIDDEN, (_, joiner: string | undefined) => joiner ?? "\ufffd");
}

/** Show an amount exactly, with two decimals; it is text already, and no number of JavaScript's ever. */
export function showAmount(value: string | null | undefined): string {
  if (!value) return "";
  const [whole, cents = ""] = value.split(".");
  return `${whole}.${cents.padEnd(2, "0")}`;
}

/** Split digits before their thousands; an amount's cents stay with the last ones. */
export function groups(digits: string): string[] {
  return digits.split(/(?<=\d)(?=(?:\d{3})+(?:\.|$))/);
}

export function isNothing(amount: string): boolean {
  return !/[1-9]/.test(amount);
}

/** Count a noun: 1 location, 2 locations. */
export function plural(count: number, noun: string): string {
  return count === 1 || noun === "equipment" ? `${count} ${noun}` : `${count} ${noun}s`;
}

/** Add amounts up, in cents, exactly. */
export function sum(amounts: string[]): string {
  const cents = amounts.reduce((total, amount) => total + inCents(amount), 0n);
  const digits = String(cents).padStart(3, "0");
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

function inCents(amount: string): bigint {
  return BigInt(showAmount(amount).replace(".", ""));
}

/** Return an amount as a number, for the length of a bar and nothing else. */
export function length(amount: string): number {
  return Number(amount);
}

/** Show a moment, which comes with the zone that days are counted in. */
export function showMoment(written: string): string {
  return `${written.slice(0, 10)} ${written.slice(11, 16)}`;
}
