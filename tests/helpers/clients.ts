/** supabase-js as each of the demo people, as nobody, and with the secret key. */
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import { projectFromEnvironment } from "./environment.ts";

/** The accounts of supabase/seed.sql. */
export const people = {
  admin: "00000000-0000-4000-8000-000000000001",
  "manager.a": "00000000-0000-4000-8000-00000000000a",
  "counselor.a1": "00000000-0000-4000-8000-0000000000a1",
  "counselor.a2": "00000000-0000-4000-8000-0000000000a2",
  "manager.b": "00000000-0000-4000-8000-00000000000b",
  "counselor.b1": "00000000-0000-4000-8000-0000000000b1",
} as const;

export type PersonName = keyof typeof people;

export const teams = {
  a: "00000000-0000-4000-8000-0000000000aa",
  b: "00000000-0000-4000-8000-0000000000bb",
} as const;

const password = "Intake-demo-2026";

function open(key: "publishableKey" | "secretKey"): SupabaseClient {
  const project = projectFromEnvironment();
  if (!project) throw new Error("No project: run through `npm test` or `npx vitest`");
  return createClient(project.url, project[key], {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    // Node 20 has no WebSocket of its own.
    realtime: { transport: WebSocket as never },
  });
}

/** Signs in anew: a session that a test may end. */
export async function signIn(name: PersonName): Promise<SupabaseClient> {
  const client = open("publishableKey");
  const { error } = await client.auth.signInWithPassword({
    email: `${name}@intake.test`,
    password,
  });
  if (error) throw new Error(`${name} cannot sign in: ${error.message}`);
  return client;
}

const signedIn = new Map<PersonName, Promise<SupabaseClient>>();

/** A demo person, signed in once per test file. */
export function as(name: PersonName): Promise<SupabaseClient> {
  const client = signedIn.get(name) ?? signIn(name);
  signedIn.set(name, client);
  return client;
}

/** The publishable key and no token. */
export const anonymous = (): SupabaseClient => open("publishableKey");

/** The secret key: row level security does not apply. */
export const service = (): SupabaseClient => open("secretKey");
