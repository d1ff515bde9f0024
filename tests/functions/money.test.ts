/** The one converter between amounts and minor units. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromMinor, minorDigits, toMinor } from "../../supabase/functions/_shared/money.ts";
import { stripeDigits } from "../../supabase/functions/_shared/providers/stripe.ts";

describe("amounts in minor units", () => {
  it.each([
    ["500.50", "INR", 50050],
    ["19.99", "INR", 1999],
    ["50000.00", "INR", 5000000],
    ["500.00", "JPY", 500],
    ["1.50", "KWD", 1500],
    ["0.01", "USD", 1],
    ["999999999999.99", "USD", 99999999999999],
  ])("%s %s", (amount, currency, minor) => {
    expect(toMinor(amount, minorDigits(currency))).toBe(minor);
  });

  it("come back as they went, for every currency and every amount that a row can hold", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("INR", "USD", "JPY", "KRW", "KWD", "OMR", "BHD", "UGX", "ISK"),
        fc.bigInt({ min: 0n, max: 99_999_999_999_999n }),
        (currency, cents) => {
          for (const digits of [minorDigits(currency), stripeDigits(currency)]) {
            const step = digits === 0 ? 100n : 1n;
            const text = (cents / step) * step;
            const padded = text.toString().padStart(3, "0");
            const amount = `${padded.slice(0, -2)}.${padded.slice(-2)}`;
            const minor = toMinor(amount, digits);
            // Exactly, in integers: no amount is worth a fraction of a minor unit more or less.
            const scale = 10n ** BigInt(digits);
            expect(BigInt(minor) * 100n).toBe(text * scale);
            const back = fromMinor(minor, digits);
            expect(toMinor(back, digits)).toBe(minor);
            expect(Number(back)).toBe(Number(amount));
          }
        },
      ),
    );
  });

  it("add up as the amounts do", () => {
    const amount = fc.integer({ min: 0, max: 1_000_000_000 });
    fc.assert(
      fc.property(amount, amount, fc.constantFrom(0, 2, 3), (one, other, digits) => {
        const [a, b] = [fromMinor(one, digits), fromMinor(other, digits)];
        expect(toMinor(a, digits) + toMinor(b, digits)).toBe(
          toMinor(fromMinor(one + other, digits), digits),
        );
      }),
    );
  });

  it.each([
    ["0.001", 2],
    ["10.50", 0],
    ["1.2345", 3],
    ["-1.00", 2],
    ["1e3", 2],
    ["", 2],
    [" 1", 2],
    ["999999999999999.99", 2],
  ])("%j with %i digits is refused", (amount, digits) => {
    expect(() => toMinor(amount, digits)).toThrow(RangeError);
  });

  it.each([1.5, -1, Number.NaN, 2 ** 53])("%d minor units are refused", (minor) => {
    expect(() => fromMinor(minor, 2)).toThrow(RangeError);
  });

  it("are hundredths at Stripe for two currencies that have none", () => {
    expect([stripeDigits("ISK"), stripeDigits("UGX"), stripeDigits("JPY")]).toEqual([2, 2, 0]);
  });
});
