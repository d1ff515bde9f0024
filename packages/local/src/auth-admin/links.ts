// Invitations and links. Nothing is mailed: what would have been is handed to onMail.

import { createHash, randomInt, randomUUID } from "node:crypto";
import { hash } from "bcryptjs";
import { type Body, map, strongPassword, text, validEmail, validRedirect } from "./checks.ts";
import { AuthError, emailExists, invalid, unexpected } from "./errors.ts";
import * as store from "./store.ts";
import { guarded, randomPassword, type UsersContext } from "./users.ts";

export interface RecordedMail {
  at: string;
  type: string;
  to: string;
  userId: string;
  otp: string;
  hashedToken: string;
  actionLink: string;
}

export interface LinksContext extends UsersContext {
  /** Public address of the API, without a slash at the end. */
  url: string;
  siteUrl: string;
  redirectUrls: string[];
  otpLength: number;
  onMail(mail: RecordedMail): void;
}

/** SHA-256, as the sign-in server of this stack compares it; GoTrue's own is SHA-224. */
function tokenHash(address: string, otp: string): string {
  return createHash("sha256")
    .update(address.toLowerCase() + otp)
    .digest("hex");
}

const newOtp = (length: number) => String(randomInt(10 ** length)).padStart(length, "0");

function redirectOf(context: LinksContext, request: Request, wanted: string): string {
  const { siteUrl, redirectUrls } = context;
  const query = new URL(request.url).searchParams.get("redirect_to") ?? "";
  const candidates = [wanted, query, request.headers.get("referer") ?? ""];
  return candidates.find((url) => url && validRedirect(url, siteUrl, redirectUrls)) ?? siteUrl;
}

function actionLink(context: LinksContext, token: string, type: string, redirect: string): string {
  const link = new URL(`${context.url}/auth/v1/verify`);
  link.searchParams.set("token", token);
  link.searchParams.set("type", type);
  link.searchParams.set("redirect_to", redirect);
  return link.href;
}

async function createUnconfirmed(
  tx: store.Tx,
  email: string,
  userMetadata: Body,
  encryptedPassword: string,
): Promise<string> {
  const id = await store.insertUser(tx, {
    aud: "authenticated",
    email,
    phone: "",
    encryptedPassword,
    userMetadata,
    providers: ["email"],
  });
  await store.updateUser(tx, id, { role: "authenticated" });
  await store.insertIdentity(tx, id, "email", email);
  return id;
}

async function keepToken(
  tx: store.Tx,
  userId: string,
  kind:
    | "confirmation_token"
    | "recovery_token"
    | "email_change_token_current"
    | "email_change_token_new",
  token: string,
  relatesTo: string,
): Promise<void> {
  await tx`delete from auth.one_time_tokens where user_id = ${userId} and token_type = ${kind}`;
  await tx`
    insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)
    values (${randomUUID()}, ${userId}, ${kind}, ${token}, ${relatesTo})`;
}

/** Creates the invited person if there is none, and a token to accept with. */
async function invite(
  tx: store.Tx,
  existing: store.User | null,
  email: string,
  data: Body,
  token: string,
): Promise<string> {
  if (existing?.email_confirmed_at) throw emailExists();
  const id = existing?.id ?? (await createUnconfirmed(tx, email, data, ""));
  await store.writeAudit(tx, "user_invited", "team", { user_id: id, user_email: email });
  const now = new Date();
  await store.updateUser(tx, id, {
    confirmation_token: token,
    confirmation_sent_at: now,
    invited_at: now,
  });
  await keepToken(tx, id, "confirmation_token", token, email);
  return id;
}

export async function inviteUser(context: LinksContext, request: Request, body: Body) {
  const email = validEmail(text(body, "email"));
  const data = map(body, "data") ?? {};
  const otp = newOtp(context.otpLength);
  const token = tokenHash(email, otp);
  const work = store.inTransaction(context.sql, async (tx) => {
    const existing = await store.findByEmail(tx, email, "authenticated");
    const id = await invite(tx, existing, email, data, token);
    return await store.findById(tx, id);
  });
  const user = await guarded("Database error saving new user", work, context.onError);
  if (!user) throw unexpected("Error inviting user");
  const redirect = redirectOf(context, request, "");
  context.onMail({
    at: new Date().toISOString(),
    type: "invite",
    to: email,
    userId: user.id,
    otp,
    hashedToken: token,
    actionLink: actionLink(context, token, "invite", redirect),
  });
  return user;
}

export async function generateLink(context: LinksContext, request: Request, body: Body) {
  const email = validEmail(text(body, "email"));
  const data = map(body, "data") ?? {};
  let type = text(body, "type");
  let password = text(body, "password");
  const existing = await store.findByEmail(context.sql, email, "authenticated");
  if (!existing) {
    if (type === "magiclink") {
      type = "signup";
      password = randomPassword();
    } else if (["recovery", "email_change_current", "email_change_new"].includes(type)) {
      throw new AuthError(404, "user_not_found", "User with this email not found");
    }
  }
  let encryptedPassword = "";
  if (type === "signup" && !existing) {
    if (!password) throw invalid("Signup requires a valid password");
    strongPassword(password, context.rules);
    encryptedPassword = await hash(password, 10);
  }
  const otp = newOtp(context.otpLength);
  const now = new Date();
  let token = tokenHash(email, otp);

  const work = store.inTransaction(context.sql, async (tx) => {
    switch (type) {
      case "magiclink":
      case "recovery": {
        const user = existing as store.User;
        const actor = { id: user.id, name: email };
        await store.writeAudit(tx, "user_recovery_requested", "user", {}, actor);
        await store.updateUser(tx, user.id, { recovery_token: token, recovery_sent_at: now });
        await keepToken(tx, user.id, "recovery_token", token, email);
        return await store.findById(tx, user.id);
      }
      case "invite":
        return await store.findById(tx, await invite(tx, existing, email, data, token));
      case "signup": {
        if (existing?.email_confirmed_at) throw emailExists();
        const id = existing?.id ?? (await createUnconfirmed(tx, email, data, encryptedPassword));
        await store.updateUser(tx, id, {
          confirmation_token: token,
          confirmation_sent_at: now,
          ...(existing
            ? { raw_user_meta_data: store.merge(existing.raw_user_meta_data, data) }
            : {}),
        });
        await keepToken(tx, id, "confirmation_token", token, email);
        return await store.findById(tx, id);
      }
      case "email_change_current":
      case "email_change_new": {
        const user = existing as store.User;
        const newEmail = validEmail(text(body, "new_email"));
        if (await store.isEmailTaken(tx, newEmail, user.aud, user.id)) throw emailExists();
        const isNew = type === "email_change_new";
        if (isNew) token = tokenHash(newEmail, otp);
        const column = isNew ? "email_change_token_new" : "email_change_token_current";
        await store.updateUser(tx, user.id, {
          email_change: newEmail,
          email_change_sent_at: now,
          email_change_confirm_status: 0,
          [column]: token,
        });
        await keepToken(tx, user.id, column, token, isNew ? newEmail : email);
        return await store.findById(tx, user.id);
      }
      default:
        throw invalid(`Invalid email action link type requested: ${type}`);
    }
  });
  const user = await guarded("Database error updating user", work, context.onError);
  if (!user) throw unexpected("Database error updating user");
  const redirect = redirectOf(context, request, text(body, "redirect_to"));
  const linkType = type.startsWith("email_change") ? "email_change" : type;
  return {
    ...store.present(user),
    action_link: actionLink(context, token, linkType, redirect),
    email_otp: otp,
    hashed_token: token,
    verification_type: type,
    redirect_to: redirect,
  };
}
