// The one converter between amounts in units of a currency, as people and the database write them, and whole
// numbers of its minor unit, as gateways count. Decimal text and integers only: no floating point is involved.

const noDigits = new Set(
  "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(" "),
);

const threeDigits = new Set("BHD IQD JOD KWD LYD OMR TND".split(" "));

/** How many digits ISO 4217 gives the minor unit of a currency. The database has the same list. */
export function minorDigits(currency: string): number {
  if (noDigits.has(currency)) return 0;
  return threeDigits.has(currency) ? 3 : 2;
}

/** `toMinor("500.50", 2)` is 50050. What is finer than the minor unit, or too large to count, throws. */
export function toMinor(amount: string, digits: number): number {
  const [, whole = "", fraction = ""] = /^(\d{1,15})(?:\.(\d{1,10}))?$/.exec(amount) ?? [];
  if (whole === "") throw new RangeError("an amount is a decimal number");
  if (/[1-9]/.test(fraction.slice(digits))) {
    throw new RangeError("the amount is finer than the minor unit of its currency");
  }
  const minor = Number(`${whole}${fraction.slice(0, digits).padEnd(digits, "0")}`);
  if (!Number.isSafeInteger(minor)) throw new RangeError("the amount is too large");
  return minor;
}

/** `fromMinor(50050, 2)` is `"500.50"`. */
export function fromMinor(minor: number, digits: number): string {
  if (!Number.isSafeInteger(minor) || minor < 0) {
    throw new RangeError("minor units are counted in whole numbers");
  }
  const text = String(minor).padStart(digits + 1, "0");
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}
