// What the routes of administrators need from outside.

import type { UserCreate, UserUpdate, UserUpdated } from "@intake/types";
import type { Surroundings } from "../_shared/app.ts";
import type { IdentifyCaller } from "../_shared/caller.ts";
import type { Claims } from "../_shared/db.ts";

export interface Integrations {
  /** Refuses who may not manage integrations, and a type that there is not. */
  require(caller: Claims, type: string, requestId: string): Promise<void>;
  store(
    caller: Claims,
    type: string,
    credentials: Record<string, string>,
    config: Record<string, unknown> | null,
    requestId: string,
  ): Promise<void>;
}

/** People, in the database: always in the name and with the rights of the caller. */
export interface Users {
  /** Refuses who may not manage people. */
  require(caller: Claims, requestId: string): Promise<void>;
  /** Refuses what must not be made. Answers the address in its normal form. */
  check(caller: Claims, user: UserCreate, requestId: string): Promise<string>;
  admit(caller: Claims, id: string, user: UserCreate, requestId: string): Promise<void>;
  /** Refuses a change that must not be. Answers the address now, and the one to have if it is another. */
  checkUpdate(
    caller: Claims,
    id: string,
    change: UserUpdate,
    requestId: string,
  ): Promise<{ email: string; newEmail: string | null }>;
  update(caller: Claims, id: string, change: UserUpdate, requestId: string): Promise<UserUpdated>;
  /** Hands over what the person has, part by part, and takes them out. */
  leave(
    caller: Claims,
    id: string,
    reassignTo: string | undefined,
    requestId: string,
  ): Promise<void>;
  /** Refuses whose eyes nobody may look with. Answers their address. */
  checkImpersonation(
    caller: Claims,
    id: string,
    reason: string,
    requestId: string,
  ): Promise<string>;
  /** Turns the session just made into an impersonation. Answers when it ends. */
  beginImpersonation(
    caller: Claims,
    id: string,
    sessionId: string,
    reason: string,
    requestId: string,
  ): Promise<string>;
}

/** Accounts, on the Auth server. */
export interface Accounts {
  /** Answers the id of the new account; refuses an address that has one. */
  create(email: string, fullName: string, password: string | undefined): Promise<string>;
  invite(email: string, options: { redirectTo: string | undefined }): Promise<void>;
  link(email: string, options: { redirectTo: string | undefined }): Promise<string>;
  setEmail(id: string, email: string): Promise<void>;
  /** Answers an access token of that person. */
  signInAs(email: string): Promise<string>;
  remove(id: string): Promise<void>;
  /** Leaves the row that history points to, and nothing of the person in it. */
  empty(id: string): Promise<void>;
}

/** Throws what a provider's client throws when the credentials do not work. */
export type TestCredentials = (
  credentials: Record<string, string>,
  config: Record<string, unknown>,
) => Promise<void>;

export interface AdminDeps extends Surroundings {
  identify: IdentifyCaller;
  integrations: Integrations;
  testers: Record<string, TestCredentials>;
  users: Users;
  accounts: Accounts;
}
