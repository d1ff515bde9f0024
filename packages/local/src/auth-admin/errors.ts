// GoTrue's errors, in both of its shapes: clients that name an API version get {code, message}.

export class AuthError extends Error {
  readonly status: number;
  readonly code: string;
  readonly extra: Record<string, unknown>;
  constructor(status: number, code: string, message: string, extra: Record<string, unknown> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.extra = extra;
  }
}

export const invalid = (message: string, status = 400) =>
  new AuthError(status, "validation_failed", message);

export const emailExists = () =>
  new AuthError(422, "email_exists", "A user with this email address has already been registered");

export const unexpected = (message: string) => new AuthError(500, "unexpected_failure", message);

const versionHeader = "x-supabase-api-version";

export function errorResponse(error: AuthError, request: Request): Response {
  const { status, code, message, extra } = error;
  const version = request.headers.get(versionHeader);
  const isCurrent = version !== null && version >= "2024-01-01";
  const body = isCurrent
    ? { code, message, ...extra }
    : { code: status, error_code: code, msg: message, ...extra };
  return Response.json(body, {
    status,
    headers: { "x-sb-error-code": code, ...(isCurrent ? { [versionHeader]: "2024-01-01" } : {}) },
  });
}
