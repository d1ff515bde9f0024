// /admin/users: create, list, read, update, delete.

import { randomBytes } from "node:crypto";
import { hash, truncates } from "bcryptjs";
import {
  type Body,
  banDuration,
  map,
  type PasswordRules,
  strongPassword,
  text,
  validEmail,
  validPhone,
} from "./checks.ts";
import { AuthError, emailExists, invalid, unexpected } from "./errors.ts";
import * as store from "./store.ts";

const defaultAudience = "authenticated";
const hashCost = 10;

async function hashPassword(password: string): Promise<string> {
  if (truncates(password)) throw invalid("bcrypt: password length exceeds 72 bytes");
  return await hash(password, hashCost);
}

export const randomPassword = () => randomBytes(48).toString("base64url");

export async function loadUser(sql: store.Sql, id: string): Promise<store.User> {
  if (!/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(id)) {
    throw invalid("user_id must be an UUID", 404);
  }
  const user = await store.findById(sql, id);
  if (!user) throw new AuthError(404, "user_not_found", "User not found");
  return user;
}

/** Runs the work and hides what the database says, as GoTrue does, unless it is an answer of ours. */
export async function guarded<T>(message: string, work: Promise<T>, onError: (e: unknown) => void) {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AuthError) throw error;
    onError(error);
    throw unexpected(message);
  }
}

export interface UsersContext {
  sql: store.Sql;
  rules: PasswordRules;
  onError(error: unknown): void;
}

export async function createUser(context: UsersContext, body: Body): Promise<store.User> {
  const { sql } = context;
  const aud = text(body, "aud") || defaultAudience;
  let email = text(body, "email");
  let phone = text(body, "phone");
  if (!email && !phone) throw invalid("Cannot create a user without either an email or phone");
  const providers: string[] = [];
  if (email) {
    email = validEmail(email);
    if (await store.isEmailTaken(sql, email, aud)) throw emailExists();
    providers.push("email");
  }
  if (phone) {
    phone = validPhone(phone);
    const [taken] = await sql`select 1 from auth.users where phone = ${phone} and aud = ${aud}`;
    if (taken) {
      throw new AuthError(422, "phone_exists", "Phone number already registered by another user");
    }
    providers.push("phone");
  }
  const password = text(body, "password");
  const passwordHash = text(body, "password_hash");
  if (password && passwordHash) {
    throw invalid("Only a password or a password hash should be provided");
  }
  if (passwordHash && !/^\$2[aby]\$\d\d\$/.test(passwordHash)) {
    throw unexpected("Error creating user");
  }
  const id = text(body, "id");
  if (id && !/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(id)) {
    throw invalid("ID must conform to the uuid v4 format");
  }
  if (id === store.noInstance) throw invalid("ID cannot be a nil uuid");
  const ban = banDuration(text(body, "ban_duration"));
  const appMetadata = map(body, "app_metadata");
  const userMetadata = map(body, "user_metadata") ?? {};
  const encryptedPassword = passwordHash || (await hashPassword(password || randomPassword()));

  const work = store.inTransaction(sql, async (tx) => {
    const userId = await store.insertUser(tx, {
      ...(id ? { id } : {}),
      aud,
      email,
      phone,
      encryptedPassword,
      userMetadata,
      providers,
    });
    if (email) await store.insertIdentity(tx, userId, "email", email);
    if (phone) await store.insertIdentity(tx, userId, "phone", phone);
    await store.writeAudit(tx, "user_signedup", "team", {
      user_id: userId,
      user_email: email,
      user_phone: phone,
      provider: providers[0],
    });
    await store.updateUser(tx, userId, { role: text(body, "role").trim() || "authenticated" });
    if (appMetadata) {
      const current = { provider: providers[0], providers };
      await store.updateUser(tx, userId, { raw_app_meta_data: store.merge(current, appMetadata) });
    }
    if (body.email_confirm === true) await confirmEmail(tx, userId);
    if (body.phone_confirm === true) await confirmPhone(tx, userId);
    if (ban !== null) await setBan(tx, userId, ban);
    return await store.findById(tx, userId);
  });
  const user = await guarded("Database error creating new user", work, context.onError);
  if (!user) throw unexpected("Database error creating new user");
  return user;
}

async function confirmEmail(tx: store.Tx, id: string): Promise<void> {
  await store.updateUser(tx, id, { confirmation_token: "", email_confirmed_at: new Date() });
  await addUserMetadata(tx, id, { email_verified: true });
  await store.clearOneTimeTokens(tx, id);
}

async function confirmPhone(tx: store.Tx, id: string): Promise<void> {
  await store.updateUser(tx, id, { confirmation_token: "", phone_confirmed_at: new Date() });
  await addUserMetadata(tx, id, { phone_verified: true });
  await store.clearOneTimeTokens(tx, id);
}

async function addUserMetadata(tx: store.Tx, id: string, updates: Body): Promise<void> {
  const user = await store.findById(tx, id);
  const merged = store.merge(user?.raw_user_meta_data ?? null, updates);
  await store.updateUser(tx, id, { raw_user_meta_data: merged });
}

async function setBan(tx: store.Tx, id: string, duration: number): Promise<void> {
  const until = duration === 0 ? null : new Date(Date.now() + duration);
  await store.updateUser(tx, id, { banned_until: until });
}

export async function updateUser(
  context: UsersContext,
  user: store.User,
  body: Body,
): Promise<store.User> {
  const { id } = user;
  const email = text(body, "email") && validEmail(text(body, "email"));
  const phone = text(body, "phone") && validPhone(text(body, "phone"));
  const ban = banDuration(text(body, "ban_duration"));
  const role = text(body, "role").trim();
  const appMetadata = map(body, "app_metadata");
  const userMetadata = map(body, "user_metadata");
  const password = typeof body.password === "string" ? body.password : null;
  if (password !== null) strongPassword(password, context.rules);
  const encryptedPassword = password ? await hashPassword(password) : null;

  const work = store.inTransaction(context.sql, async (tx) => {
    if (role) await store.updateUser(tx, id, { role });
    if (body.email_confirm === true) await confirmEmail(tx, id);
    if (body.phone_confirm === true) await confirmPhone(tx, id);
    if (password !== null) {
      // Whatever was begun with the old password is void, and so is every session.
      await store.updateUser(tx, id, {
        encrypted_password: encryptedPassword,
        confirmation_token: "",
        confirmation_sent_at: null,
        recovery_token: "",
        recovery_sent_at: null,
        email_change_token_current: "",
        email_change_token_new: "",
        email_change_sent_at: null,
        reauthentication_token: "",
        reauthentication_sent_at: null,
      });
      await store.clearOneTimeTokens(tx, id);
      await store.endSessions(tx, id);
    }
    if (email) {
      await store.updateIdentity(tx, id, "email", email, body.email_confirm === true);
      await store.updateUser(tx, id, { email });
    }
    if (phone) {
      await store.updateIdentity(tx, id, "phone", phone, body.phone_confirm === true);
      await store.updateUser(tx, id, { phone });
    }
    if (appMetadata) {
      const merged = store.merge(user.raw_app_meta_data, appMetadata);
      await store.updateUser(tx, id, { raw_app_meta_data: merged });
    }
    if (userMetadata) await addUserMetadata(tx, id, userMetadata);
    if (ban !== null) await setBan(tx, id, ban);
    await store.writeAudit(tx, "user_modified", "user", {
      user_id: id,
      user_email: email || user.email,
      user_phone: phone || (user.phone ?? ""),
    });
    return await store.findById(tx, id);
  });
  const updated = await guarded("Error updating user", work, context.onError);
  if (!updated) throw unexpected("Error updating user");
  return updated;
}

export async function deleteUser(context: UsersContext, user: store.User, soft: boolean) {
  const work = store.inTransaction(context.sql, async (tx) => {
    await store.writeAudit(tx, "user_deleted", "team", {
      user_id: user.id,
      user_email: user.email,
      user_phone: user.phone ?? "",
    });
    if (!soft) {
      await tx`delete from auth.refresh_tokens where user_id = ${user.id}`;
      await tx`delete from auth.users where id = ${user.id}`;
    } else if (!user.deleted_at) {
      await store.softDelete(tx, user);
    }
  });
  await guarded("Database error deleting user", work, context.onError);
}

export interface UserPage {
  users: store.User[];
  total: number;
  page: number;
  perPage: number;
}

export async function listUsers({ sql }: UsersContext, query: URLSearchParams): Promise<UserPage> {
  const read = (name: string, fallback: number) => {
    const value = query.get(name);
    if (!value) return fallback;
    if (!/^\d+$/.test(value)) {
      throw invalid(
        `Bad Pagination Parameters: strconv.ParseUint: parsing "${value}": invalid syntax`,
      );
    }
    return Number(value);
  };
  const page = Math.max(read("page", 1), 1);
  const perPage = read("per_page", 50) || 20;
  const filter = query.get("filter");
  const matches = filter
    ? sql`and (email like ${`%${filter}%`} or raw_user_meta_data ->> 'full_name' ilike ${`%${filter}%`})`
    : sql``;
  const rows = await sql<store.User[]>`
    select * from auth.users
    where aud = ${defaultAudience} ${matches}
    order by created_at desc
    limit ${perPage} offset ${(page - 1) * perPage}`;
  const [count] = await sql<{ total: number }[]>`
    select count(*)::int as total from auth.users where aud = ${defaultAudience} ${matches}`;
  return { users: await store.withIdentities(sql, rows), total: count?.total ?? 0, page, perPage };
}
