// What GoTrue checks before it touches the database, with its words.

import { AuthError, invalid } from "./errors.ts";

export type Body = Record<string, unknown>;

export async function readBody(request: Request): Promise<Body> {
  const text = await request.text();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = text === "" ? "unexpected end of JSON input" : (error as Error).message;
    throw new AuthError(400, "bad_json", `Could not parse request body as JSON: ${reason}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new AuthError(400, "bad_json", "Could not parse request body as JSON: not an object");
  }
  return value as Body;
}

export function text(body: Body, name: string): string {
  const value = body[name];
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") {
    const message = `Could not parse request body as JSON: json: cannot unmarshal into field ${name} of type string`;
    throw new AuthError(400, "bad_json", message);
  }
  return value;
}

export function map(body: Body, name: string): Body | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "object" || Array.isArray(value)) {
    const message = `Could not parse request body as JSON: json: cannot unmarshal into field ${name} of type map[string]interface {}`;
    throw new AuthError(400, "bad_json", message);
  }
  return value as Body;
}

// The format of HTML's email fields, which GoTrue checks as well.
const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const emailFormat = new RegExp(`^[a-z0-9.!#$%&'*+/=?^_\`{|}~-]+@${label}(?:\\.${label})*$`, "i");

export function validEmail(email: string): string {
  if (email === "") throw invalid("An email address is required");
  if (email.length > 255) throw invalid("An email address is too long");
  if (!emailFormat.test(email)) {
    throw invalid("Unable to validate email address: invalid format");
  }
  return email.toLowerCase();
}

export function validPhone(phone: string): string {
  const digits = phone.replaceAll(" ", "").replace(/^\+/, "");
  if (!/^[1-9]\d{1,14}$/.test(digits)) {
    throw invalid("Invalid phone number format (E.164 required)");
  }
  return digits;
}

const milliseconds: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** `ban_duration`: Go's notation, such as 24h or 1h30m; "none" lifts a ban. Days are no unit of it. */
export function banDuration(value: string): number | null {
  if (value === "") return null;
  if (value === "none" || value === "0") return 0;
  const refuse = (reason: string) => invalid(`invalid format for ban duration: time: ${reason}`);
  const [, sign = "", rest = ""] = /^([+-]?)(.*)$/.exec(value) ?? [];
  if (!/^[\d.]/.test(rest)) throw refuse(`invalid duration "${value}"`);
  let total = 0;
  for (const [, amount = "", unit = ""] of rest.matchAll(/([\d.]+)([^\d.]*)/g)) {
    if (unit === "") throw refuse(`missing unit in duration "${value}"`);
    const factor = milliseconds[unit];
    if (factor === undefined) throw refuse(`unknown unit "${unit}" in duration "${value}"`);
    total += Number(amount) * factor;
  }
  if (!Number.isFinite(total)) throw refuse(`invalid duration "${value}"`);
  return sign === "-" ? -total : total;
}

const characterSets: Record<string, string[]> = {
  letters_digits: ["abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"],
  lower_upper_letters_digits: [
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
  ],
  lower_upper_letters_digits_symbols: [
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
    "!@#$%^&*()_+-=[]{};'\\:\"|<>?,./`~",
  ],
};

export interface PasswordRules {
  minimumPasswordLength: number;
  passwordRequirements: string;
}

export function strongPassword(password: string, rules: PasswordRules): void {
  if (Buffer.byteLength(password) > 72) {
    throw invalid("Password cannot be longer than 72 characters");
  }
  const messages: string[] = [];
  const reasons: string[] = [];
  if (password.length < rules.minimumPasswordLength) {
    reasons.push("length");
    messages.push(`Password should be at least ${rules.minimumPasswordLength} characters.`);
  }
  const sets = characterSets[rules.passwordRequirements] ?? [];
  if (sets.some((set) => ![...set].some((character) => password.includes(character)))) {
    reasons.push("characters");
    messages.push(`Password should contain at least one character of each: ${sets.join(", ")}.`);
  }
  if (reasons.length === 0) return;
  throw new AuthError(422, "weak_password", messages.join(" "), { weak_password: { reasons } });
}

/** Where a link may lead: the site itself, or what additional_redirect_urls lists, with globs. */
export function validRedirect(wanted: string, siteUrl: string, allowed: string[]): boolean {
  const target = URL.canParse(wanted) ? new URL(wanted) : null;
  if (!target) return false;
  if (URL.canParse(siteUrl)) {
    const site = new URL(siteUrl);
    if (target.protocol === site.protocol && target.host === site.host) return true;
  }
  const bare = wanted.split("#")[0] ?? "";
  return allowed.some((pattern) => {
    const expression = pattern
      .split(/(\*\*|\*|\?)/)
      .map((part) => {
        if (part === "**") return ".*";
        if (part === "*") return "[^./]*";
        if (part === "?") return "[^./]";
        return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      })
      .join("");
    return new RegExp(`^${expression}$`).test(bare);
  });
}
