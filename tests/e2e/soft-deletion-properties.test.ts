/**
 * Whatever is deleted and restored, in whatever order: a row is live when neither it nor what it hangs on
 * was deleted last. Each case is a transaction of its own that is rolled back.
 */
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";

const sql = connect({ max: 1 });

afterAll(() => sql.end());

/** Each with what it hangs on. */
const holders = {
  lead: null,
  contact: null,
  task: "lead",
  call: "lead",
  note: "lead",
  secret: "lead",
  reminder: "lead",
  "reminder of note": "note",
  "reminder of secret": "secret",
  message: "lead",
  "message of contact": "contact",
  "note of contact": "contact",
  "reminder of contact": "note of contact",
} as const;

type Name = keyof typeof holders;

const names = Object.keys(holders) as Name[];

const tableOf = (name: Name): string =>
  name.startsWith("message")
    ? "communications"
    : name === "secret" || name.startsWith("note")
      ? "notes"
      : `${name.split(" ")[0]}s`;

/** What the deletion of each row was last: its own, or nothing. */
type Model = Map<Name, boolean>;

const isLive = (model: Model, name: Name): boolean => {
  const holder = holders[name];
  return !model.get(name) && (holder === null || isLive(model, holder));
};

const steps = fc.array(fc.tuple(fc.boolean(), fc.constantFrom(...names)), {
  minLength: 1,
  maxLength: 25,
});

class Undo extends Error {}

it("[D0-082] ends where a simple model ends", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (moves) => {
      const run = sql.begin(async (tx) => {
        const [world] = await tx<{ person: string; session: string }[]>`
          with u as (
            insert into auth.users (id, instance_id, aud, role, email, encrypted_password, email_confirmed_at,
              raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
            values (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
              gen_random_uuid() || '@property.test', '', now(), '{}', '{"full_name": "Property"}', now(), now())
            returning id
          ), s as (
            insert into auth.sessions (id, user_id, created_at, updated_at, aal)
            select gen_random_uuid(), u.id, now(), now(), 'aal1' from u returning id
          )
          select u.id as person, s.id as session from u, s`;
        const { person, session } = world!;
        await tx`
          update public.profiles set is_active = true, role_id = (select id from public.roles where key = 'admin')
          where id = ${person}`;
        const claims = JSON.stringify({ sub: person, role: "authenticated", session_id: session });
        await tx`select set_config('request.jwt.claims', ${claims}, true)`;
        const id = {} as Record<Name, string>;
        const add = async (name: Name, row: Record<string, unknown>) => {
          const [made] = await tx<{ id: string }[]>`
            insert into public.${tx(tableOf(name))} ${tx(row)} returning id`;
          id[name] = made!.id;
        };
        const later = "2999-01-01";
        // Theirs: nobody waits for the turns while this transaction holds what others may wait for.
        await add("lead", { name: "Property", assigned_to: person });
        await add("contact", { name: "Property" });
        await add("task", { title: "Property", lead_id: id.lead });
        await add("call", { lead_id: id.lead, duration: 60 });
        await add("note", { content: "Property", lead_id: id.lead, reminder_at: later });
        const secret = { content: "Property", lead_id: id.lead, is_private: true };
        await add("secret", { ...secret, reminder_at: later });
        await add("reminder", { title: "Property", lead_id: id.lead, remind_at: later });
        const message = { type: "sms", content: "Property", contact_id: id.contact };
        await add("message", { ...message, lead_id: id.lead });
        await add("message of contact", message);
        const ofContact = { content: "Property", contact_id: id.contact, reminder_at: later };
        await add("note of contact", ofContact);
        for (const [name, note] of [
          ["reminder of note", "note"],
          ["reminder of secret", "secret"],
          ["reminder of contact", "note of contact"],
        ] as const) {
          const [made] = await tx<{ id: string }[]>`
            select id from public.reminders where note_id = ${id[note]}`;
          id[name] = made!.id;
        }

        const model: Model = new Map();
        /** The code of the refusal, null when it was done. */
        const ask = (call: "soft_delete" | "restore", name: Name) =>
          tx
            .savepoint((at) => at`select public.${at(call)}(${tableOf(name)}, ${id[name]}::uuid)`)
            .then(
              () => null,
              (error) => String(error.detail).split(":")[0],
            );
        for (const [isDeletion, name] of moves) {
          const holder = holders[name];
          const wasLive = isLive(model, name);
          const answer = await ask(isDeletion ? "soft_delete" : "restore", name);
          if (isDeletion) {
            expect(answer).toBe(wasLive ? null : "not_found");
            if (wasLive) model.set(name, true);
          } else if (wasLive) {
            expect(answer).toBe("not_found");
          } else if (holder !== null && !isLive(model, holder)) {
            expect(answer).toBe("parent_deleted");
          } else {
            expect(answer).toBeNull();
            model.delete(name);
          }
          for (const other of names) {
            const [row] = await tx<{ is_live: boolean; is_told: boolean }[]>`
              select deleted_at is null as is_live,
                (deleted_by is not null) = (deleted_at is not null) as is_told
              from public.${tx(tableOf(other))} where id = ${id[other]}`;
            expect(row, other).toEqual({ is_live: isLive(model, other), is_told: true });
          }
        }
        throw new Undo();
      });
      await run.catch((error) => {
        if (!(error instanceof Undo)) throw error;
      });
    }),
    { numRuns: 40 },
  );
});
