// auth.users and what hangs on it, read and written as GoTrue does: in the same steps, because
// triggers on auth.users see each of them, and with the rights of supabase_auth_admin.

import { createHash, randomUUID } from "node:crypto";
import type postgres from "postgres";

export type Sql = postgres.Sql;
export type Tx = postgres.TransactionSql;

export interface Identity {
  id: string;
  provider: string;
  provider_id: string;
  user_id: string;
  identity_data: Record<string, unknown>;
  email: string | null;
  last_sign_in_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

export interface User {
  id: string;
  aud: string;
  role: string;
  email: string | null;
  phone: string | null;
  encrypted_password: string | null;
  email_confirmed_at: Date | null;
  phone_confirmed_at: Date | null;
  confirmed_at: Date | null;
  invited_at: Date | null;
  confirmation_sent_at: Date | null;
  recovery_sent_at: Date | null;
  email_change: string | null;
  email_change_sent_at: Date | null;
  last_sign_in_at: Date | null;
  raw_app_meta_data: Record<string, unknown> | null;
  raw_user_meta_data: Record<string, unknown> | null;
  banned_until: Date | null;
  deleted_at: Date | null;
  is_anonymous: boolean;
  created_at: Date;
  updated_at: Date;
  identities: Identity[];
}

export const noInstance = "00000000-0000-0000-0000-000000000000";

export function inTransaction<T>(sql: Sql, work: (tx: Tx) => Promise<T>): Promise<T> {
  return sql.begin(async (tx) => {
    await tx`set local role supabase_auth_admin`;
    return await work(tx);
  }) as Promise<T>;
}

export async function withIdentities(tx: Tx | Sql, users: User[]): Promise<User[]> {
  if (users.length === 0) return [];
  const identities = await tx<Identity[]>`
    select * from auth.identities
    where user_id in ${tx(users.map((user) => user.id))}
    order by created_at, id`;
  return users.map((user) => ({
    ...user,
    identities: identities.filter((identity) => identity.user_id === user.id),
  }));
}

export async function findById(tx: Tx | Sql, id: string): Promise<User | null> {
  const [user] = await withIdentities(
    tx,
    await tx<User[]>`select * from auth.users where id = ${id}`,
  );
  return user ?? null;
}

export async function findByEmail(tx: Tx | Sql, email: string, aud: string): Promise<User | null> {
  const found = await tx<User[]>`
    select * from auth.users
    where lower(email) = ${email.toLowerCase()} and aud = ${aud} and is_sso_user = false
    limit 1`;
  const [user] = await withIdentities(tx, found);
  return user ?? null;
}

export async function isEmailTaken(tx: Tx | Sql, email: string, aud: string, except?: string) {
  const [row] = await tx<{ taken: boolean }[]>`
    select exists (
      select from auth.identities as identities
      join auth.users as users on users.id = identities.user_id
      where identities.email = ${email} and users.aud = ${aud} and users.id is distinct from ${except ?? null}
      union all
      select from auth.users
      where lower(email) = ${email} and aud = ${aud} and is_sso_user = false and id is distinct from ${except ?? null}
    ) as taken`;
  return row?.taken === true;
}

export interface NewUser {
  id?: string;
  aud: string;
  email: string;
  phone: string;
  encryptedPassword: string;
  userMetadata: Record<string, unknown>;
  providers: string[];
}

/** The row as an insert trigger sees it: no role yet, none of the caller's app_metadata. */
export async function insertUser(tx: Tx, user: NewUser): Promise<string> {
  const id = user.id ?? randomUUID();
  const appMetadata = { provider: user.providers[0], providers: user.providers };
  await tx`
    insert into auth.users (
      instance_id, id, aud, role, email, phone, encrypted_password, raw_app_meta_data, raw_user_meta_data,
      confirmation_token, recovery_token, email_change, email_change_token_new, email_change_token_current,
      phone_change, phone_change_token, reauthentication_token, created_at, updated_at
    ) values (
      ${noInstance}, ${id}, ${user.aud}, '', ${user.email || null}, ${user.phone || null},
      ${user.encryptedPassword}, ${tx.json(appMetadata as postgres.JSONValue)},
      ${tx.json(user.userMetadata as postgres.JSONValue)},
      '', '', '', '', '', '', '', '', now(), now()
    )`;
  return id;
}

export async function insertIdentity(
  tx: Tx,
  userId: string,
  provider: "email" | "phone",
  address: string,
  isVerified = false,
): Promise<void> {
  const data = {
    [provider]: address,
    email_verified: provider === "email" && isVerified,
    phone_verified: provider === "phone" && isVerified,
    sub: userId,
  };
  await tx`
    insert into auth.identities (
      id, provider, provider_id, user_id, identity_data, last_sign_in_at, created_at, updated_at
    ) values (
      ${randomUUID()}, ${provider}, ${userId}, ${userId}, ${tx.json(data)}, now(), now(), now()
    )`;
}

type Value = string | number | boolean | Date | null | Record<string, unknown>;

/** Sets columns of one user and its updated_at. */
export async function updateUser(
  tx: Tx,
  id: string,
  columns: Record<string, Value>,
): Promise<void> {
  const values = Object.fromEntries(
    Object.entries(columns).map(([name, value]) => [
      name,
      typeof value === "object" && value !== null && !(value instanceof Date)
        ? tx.json(value as postgres.JSONValue)
        : value,
    ]),
  );
  await tx`update auth.users set ${tx(values)}, updated_at = now() where id = ${id}`;
}

/** Merges as GoTrue does: a null removes its key. */
export function merge(
  current: Record<string, unknown> | null,
  updates: Record<string, unknown>,
): Record<string, unknown> {
  const merged = { ...current, ...updates };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

export async function updateIdentity(
  tx: Tx,
  userId: string,
  provider: "email" | "phone",
  address: string,
  isVerified: boolean,
): Promise<void> {
  const changes = { [provider]: address, [`${provider}_verified`]: isVerified };
  const changed = await tx`
    update auth.identities
    set identity_data = identity_data || ${tx.json(changes)}, updated_at = now()
    where provider = ${provider} and user_id = ${userId} and provider_id = ${userId}`;
  if (changed.count === 0) await insertIdentity(tx, userId, provider, address, isVerified);
}

export async function endSessions(tx: Tx, userId: string): Promise<void> {
  await tx`delete from auth.refresh_tokens where user_id = ${userId}`;
  await tx`delete from auth.sessions where user_id = ${userId}`;
}

export async function clearOneTimeTokens(tx: Tx, userId: string): Promise<void> {
  await tx`delete from auth.one_time_tokens where user_id = ${userId}`;
}

export async function writeAudit(
  tx: Tx,
  action: string,
  logType: string,
  traits: Record<string, unknown>,
  actor: { id: string; name: string } = { id: noInstance, name: "service_role" },
): Promise<void> {
  const payload = {
    action,
    actor_id: actor.id,
    actor_username: actor.name,
    actor_via_sso: false,
    log_type: logType,
    traits,
  };
  await tx`
    insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
    values (${noInstance}, ${randomUUID()}, ${tx.json(payload as postgres.JSONValue)}, now(), '')`;
}

/** Keeps the row for what refers to it, and nothing in it that tells whose it was. */
export async function softDelete(tx: Tx, user: User): Promise<void> {
  const hide = (value: string | null) =>
    createHash("sha256")
      .update(user.id + (value ?? ""))
      .digest("base64url");
  await updateUser(tx, user.id, {
    email: hide(user.email),
    phone: hide(user.phone).slice(0, 15),
    email_change: hide(user.email_change),
    phone_change: hide("").slice(0, 15),
    encrypted_password: null,
    confirmation_token: "",
    recovery_token: "",
    email_change_token_current: "",
    email_change_token_new: "",
    phone_change_token: "",
    raw_app_meta_data: {},
    raw_user_meta_data: {},
    deleted_at: new Date(),
  });
  await clearOneTimeTokens(tx, user.id);
  await endSessions(tx, user.id);
  for (const identity of user.identities) {
    const hidden = hide(`${identity.provider}:${identity.provider_id}`);
    await tx`
      update auth.identities set identity_data = '{}', provider_id = ${hidden}, updated_at = now()
      where id = ${identity.id}`;
  }
}

const time = (value: Date | null) => (value ? value.toISOString() : undefined);

/** As GoTrue prints a user; JSON leaves out what is undefined. */
export function present(user: User): Record<string, unknown> {
  return {
    id: user.id,
    aud: user.aud,
    role: user.role,
    email: user.email ?? "",
    email_confirmed_at: time(user.email_confirmed_at),
    invited_at: time(user.invited_at),
    phone: user.phone ?? "",
    phone_confirmed_at: time(user.phone_confirmed_at),
    confirmation_sent_at: time(user.confirmation_sent_at),
    confirmed_at: time(user.confirmed_at),
    recovery_sent_at: time(user.recovery_sent_at),
    new_email: user.email_change || undefined,
    email_change_sent_at: time(user.email_change_sent_at),
    last_sign_in_at: time(user.last_sign_in_at),
    app_metadata: user.raw_app_meta_data ?? {},
    user_metadata: user.raw_user_meta_data ?? {},
    identities: user.identities.map((identity) => ({
      identity_id: identity.id,
      id: identity.provider_id,
      user_id: identity.user_id,
      identity_data: identity.identity_data,
      provider: identity.provider,
      last_sign_in_at: time(identity.last_sign_in_at),
      created_at: time(identity.created_at),
      updated_at: time(identity.updated_at),
      email: identity.email ?? undefined,
    })),
    created_at: time(user.created_at),
    updated_at: time(user.updated_at),
    banned_until: time(user.banned_until),
    deleted_at: time(user.deleted_at),
    is_anonymous: user.is_anonymous,
  };
}
