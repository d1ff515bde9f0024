// Every refusal of an edge function has the shape PostgREST's have: {code, message, details, hint}.

import type { ErrorCode, IntakeErrorBody } from "@intake/types";

export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly hint: string | undefined;

  constructor(status: number, code: ErrorCode, message: string, detail?: string, hint?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.hint = hint;
  }

  get body(): IntakeErrorBody {
    return {
      code: this.status === 403 ? "42501" : `PT${this.status}`,
      message: this.message,
      details: this.detail ? `${this.code}: ${this.detail}` : this.code,
      hint: this.hint ?? null,
    };
  }
}

/** What Postgres says when it refuses, as postgres.js throws it. */
export interface DatabaseError extends Error {
  code: string;
  detail?: string;
  hint?: string;
  constraint_name?: string;
}

export function isDatabaseError(error: unknown): error is DatabaseError {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    /^[0-9A-Z]{5}$/.test(error.code)
  );
}

/** The answer to an error that our own SQL raised from the catalogue, or null for any other error. */
export function answerOfDatabaseError(
  error: unknown,
): { status: number; body: IntakeErrorBody } | null {
  if (!isDatabaseError(error)) return null;
  const status = error.code === "42501" ? 403 : Number(/^PT([45]\d\d)$/.exec(error.code)?.[1]);
  if (!status) return null;
  return {
    status,
    body: {
      code: error.code,
      message: error.message,
      details: error.detail ?? null,
      hint: error.hint || null,
    },
  };
}

/** What may be logged of an error: the text of a database error can hold a person's data. */
export function describeError(error: unknown): Record<string, unknown> {
  if (isDatabaseError(error)) {
    return { error: "DatabaseError", sqlstate: error.code, constraint: error.constraint_name };
  }
  if (error instanceof Error) {
    return {
      error: error.name,
      reason: error.message,
      stack: error.stack?.split("\n").slice(1, 6),
    };
  }
  return { error: typeof error };
}
