import { expect } from "vitest";

interface Answer {
  data: unknown;
  error: { code?: string; message: string; details?: string | null } | null;
  status?: number;
}

interface ExpectedError {
  /** SQLSTATE, as supabase-js shows it in `error.code`. */
  code: string;
  /** Stable code of the catalogue, which `error.details` begins with. */
  details?: string;
  status?: number;
}

/** A refusal is asserted by what a client can branch on, never by "some error". */
export function expectError(answer: Answer, expected: ExpectedError): void {
  const got = {
    code: answer.error?.code,
    ...(expected.details === undefined
      ? {}
      : { details: answer.error?.details?.split(":")[0] ?? answer.error?.details }),
    ...(expected.status === undefined ? {} : { status: answer.status }),
  };
  const seen = answer.error?.message ?? `no error, data ${JSON.stringify(answer.data)}`;
  expect(got, seen).toEqual(expected);
}

/** The data of an answer that is to have no error. */
export function expectData<T>(answer: { data: T; error: unknown }): NonNullable<T> {
  expect(answer.error).toBeNull();
  expect(answer.data).not.toBeNull();
  return answer.data!;
}
