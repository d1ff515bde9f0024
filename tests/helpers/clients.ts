/** supabase-js as each of the demo people, as nobody, and with the secret key. */
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import type { Database } from "../../packages/types/src/database.ts";
import { stack } from "./stack.ts";

export type Client = SupabaseClient<Database>;

/** Of every account that a test signs in: those of supabase/seed.sql and those it makes itself. */
export const password = "Intake-demo-2026";

/** The people of supabase/seed.sql. */
export const people = {
  admin: "00000000-0000-4000-8000-000000000001",
  "manager.a": "00000000-0000-4000-8000-00000000000a",
  "counselor.a1": "00000000-0000-4000-8000-0000000000a1",
  "counselor.a2": "00000000-0000-4000-8000-0000000000a2",
  "manager.b": "00000000-0000-4000-8000-00000000000b",
  "counselor.b1": "00000000-0000-4000-8000-0000000000b1",
} as const;

export type DemoPerson = keyof typeof people;

function open(key: string, token?: string): Client {
  return createClient<Database>(stack().url, key, {
    ...(token === undefined ? {} : { accessToken: async () => token }),
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    // Node 20 has no WebSocket of its own.
    realtime: { transport: WebSocket as never },
  });
}

/** A session of its own, for tests that end it. By demo name or by address. */
export async function signIn(person: DemoPerson | (string & {})): Promise<Client> {
  const email = person.includes("@") ? person : `${person}@intake.test`;
  const client = open(stack().publishableKey);
  const { error } = await client.auth.signInWithPassword({ email, password });
  if (error) throw new Error(`${email} cannot sign in: ${error.message}`);
  return client;
}

const signedIn = new Map<string, Promise<Client>>();

/** That person, signed in once per test file: `await as("counselor.a1")`. */
export function as(person: DemoPerson | (string & {})): Promise<Client> {
  const client = signedIn.get(person) ?? signIn(person);
  signedIn.set(person, client);
  return client;
}

/** The publishable key and no token. */
export const anon = (): Client => open(stack().publishableKey);

/** Whoever holds that access token. */
export const withToken = (token: string): Client => open(stack().publishableKey, token);

/** The secret key: row level security does not apply. */
export const service = (): Client => open(stack().secretKey);
