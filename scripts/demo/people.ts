// The people of the seed, each with a supabase-js client of their own, as a frontend would have it.

import { setTimeout as pause } from "node:timers/promises";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import WebSocket from "ws";
import type { DemoStack } from "./stack.ts";

export interface Person {
  id: string;
  email: string;
  name: string;
  client: SupabaseClient;
}

export interface Announcement {
  person: Person;
  notificationId: string;
  leadId: string;
  receivedAt: number;
}

const password = "Intake-demo-2026";

export async function signIn(stack: DemoStack, email: string): Promise<Person> {
  const client = createClient(stack.url, stack.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
    // Node 20 has no WebSocket of its own; a browser needs nothing here.
    realtime: { transport: WebSocket as never },
  });
  const { data, error } = await client.auth.signInWithPassword({ email, password });
  if (error?.name === "AuthRetryableFetchError") {
    throw new Error(`nothing answers at ${stack.url}. Start the stack with: npm start`);
  }
  if (error) {
    throw new Error(
      `${email} could not sign in (${error.message}). The demo needs the accounts of supabase/seed.sql: npm run local -- reset, then npm start`,
    );
  }
  const { data: me, error: refused } = await client.rpc("me");
  if (refused) throw new Error(`me() as ${email}: ${refused.message}`);
  return { id: data.user.id, email, name: me.full_name, client };
}

export type Ears = Awaited<ReturnType<typeof listen>>;

/** Joins the private topic of each person, and remembers every notification that is announced there. */
export async function listen(people: Person[]) {
  const heard: Announcement[] = [];
  await Promise.all(people.map((person) => join(person, (announced) => heard.push(announced))));

  /** Each looks with their own rights whether a lead they were told of is the one in question. */
  async function isOf({ person, leadId }: Announcement, email: string): Promise<boolean> {
    const { data } = await person.client
      .from("leads")
      .select("email")
      .eq("id", leadId)
      .maybeSingle();
    return data?.email === email;
  }

  return {
    async waitForLeadOf(email: string): Promise<Announcement> {
      const deadline = performance.now() + 60_000;
      for (let next = 0; performance.now() < deadline; ) {
        const announced = heard[next];
        if (!announced) await pause(10);
        else if (await isOf(announced, email)) return announced;
        else next += 1;
      }
      throw new Error("No counselor was notified within 60 s");
    },
    /** A moment later, so that one too many is counted as well. */
    async countOf(leadId: string): Promise<number> {
      await pause(500);
      return heard.filter((announced) => announced.leadId === leadId).length;
    },
  };
}

async function join(person: Person, onAnnouncement: (a: Announcement) => void): Promise<void> {
  await person.client.realtime.setAuth();
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`Realtime did not answer ${person.email}`)),
      10_000,
    );
    person.client
      .channel(`user:${person.id}`, { config: { private: true } })
      .on("broadcast", { event: "notification_created" }, ({ payload }) => {
        const { id: notificationId, lead_id: leadId } = payload;
        if (leadId)
          onAnnouncement({ person, notificationId, leadId, receivedAt: performance.now() });
      })
      .subscribe((status, error) => {
        if (status === "CLOSED") return;
        clearTimeout(late);
        if (status === "SUBSCRIBED") resolve();
        else reject(new Error(`Realtime: ${status} for ${person.email}. ${error?.message ?? ""}`));
      });
  });
}

export async function leave(people: Person[]): Promise<void> {
  await Promise.all(
    people.map(async ({ client }) => {
      await client.removeAllChannels();
      client.realtime.disconnect();
      await client.auth.signOut({ scope: "local" });
    }),
  );
}
