/**
 * Phones parity: whatever country an organisation is in, its national numbers become what libphonenumber makes of them.
 */
import {
  getExample,
  getSupportedRegionCodes,
  type PhoneNumberTypes,
  parsePhoneNumber,
} from "awesome-phonenumber";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sql } from "../helpers/sql.ts";

const types: PhoneNumberTypes[] = ["fixed-line", "mobile"];
const regions = getSupportedRegionCodes();

/** Of Niue, Tokelau and Tristan da Cunha: the database wants eight digits, and there are no shorter ones elsewhere. */
const isTooShort = (e164: string) => e164.length < 9;

function example(region: string, type: PhoneNumberTypes) {
  try {
    return getExample(region, type);
  } catch {
    // There are none of that type.
    return undefined;
  }
}

const examples = regions.flatMap((region) =>
  types.flatMap((type) => {
    const found = example(region, type);
    return found?.valid && !isTooShort(found.number.e164) ? [{ region, number: found.number }] : [];
  }),
);

interface National {
  region: string;
  given: string;
  wanted: string | undefined;
}

/** As libphonenumber prints it for people there, and without what they dial first. */
const forms = (region: string, number: { national: string; significant: string }): National[] =>
  [number.national, number.significant].map((text) => ({
    region,
    given: text.replaceAll(/\D/g, ""),
    wanted: parsePhoneNumber(text, { regionCode: region }).number?.e164,
  }));

async function understood(numbers: National[]): Promise<National[]> {
  return await sql()<National[]>`
    select n.region, n.given, private.international_number(n.given, n.region) as wanted
    from jsonb_to_recordset(${sql().json(numbers as never)}) n (region text, given text)
  `;
}

describe("national phone numbers", () => {
  it("of every country are understood as libphonenumber understands them, with and without the trunk prefix", async () => {
    const numbers = examples.flatMap(({ region, number }) => forms(region, number));
    expect(new Set(numbers.map(({ region }) => region)).size).toBeGreaterThan(240);
    expect(await understood(numbers)).toEqual(numbers);
  });

  it("so are all others that libphonenumber holds for valid", async () => {
    const digits = fc.array(fc.nat(9), { minLength: 1, maxLength: 6 });
    const others = fc
      .tuple(fc.constantFrom(...examples), digits)
      .map(([{ region, number }, end]) => {
        const other = parsePhoneNumber(number.e164.slice(0, -end.length) + end.join(""));
        return other.valid && other.regionCode === region && !isTooShort(other.number.e164)
          ? forms(region, other.number)
          : [];
      });
    await fc.assert(
      fc.asyncProperty(fc.array(others, { minLength: 200, maxLength: 400 }), async (some) => {
        const numbers = some.flat();
        expect(await understood(numbers)).toEqual(numbers);
      }),
      { numRuns: 10 },
    );
  });
});
