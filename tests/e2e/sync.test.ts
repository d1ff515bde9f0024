/**
 * Sync under everything that goes wrong: writers that commit late, lost answers, devices that die between two
 * steps, leads that change hands. In the end every device has what the database would show its person.
 */
import { memoryStore, openSync, type SyncState, type SyncStore } from "@intake/sync";
import { type SyncType, syncPullSchema, syncTypes } from "@intake/types";
import fc from "fast-check";
import postgres from "postgres";
import { beforeAll, describe, expect, it } from "vitest";
import {
  createTeam,
  createUser,
  expectData,
  type Person,
  service,
  sql,
  stack,
  type Team,
} from "../helpers/index.ts";

let team: Team;

beforeAll(async () => {
  team = await createTeam();
});

describe("the cursor", () => {
  it("misses no row of transactions that overlap its pulls", async () => {
    const person = await createUser({ team });
    const db = postgres(stack().dbUrl, { max: 8, onnotice: () => undefined });
    try {
      const ids = await db<{ id: string }[]>`
        insert into public.tasks (title, assigned_to)
        select 'Watermark ' || n, ${person.id} from generate_series(1, 60) n returning id`;
      const mirror = new Map<string, number>();
      let cursor: string | null = null;
      let pulls = 0;
      const pull = async () => {
        const args = { p_types: ["tasks"], p_cursor: cursor };
        const page = syncPullSchema.parse(
          expectData(await person.client.rpc("sync_pull", args as never)),
        );
        cursor = page.cursor;
        pulls += 1;
        for (const row of page.changes.tasks ?? []) mirror.set(row.id, row.version);
      };
      await pull();
      let running = true;
      const writers = Array.from({ length: 6 }, async (_, writer) => {
        for (let round = 0; round < 25; round += 1) {
          const { id } = ids[(writer * 17 + round * 7) % ids.length]!;
          await db.begin(async (tx) => {
            await tx`update public.tasks set description = ${`${writer} ${round}`} where id = ${id}`;
            // Open for a while, as behind a slow client; a subtransaction has a number of its own.
            if (round % 3 === 0) {
              await tx.savepoint(
                (inner) => inner`update public.tasks set priority = 'high' where id = ${id}`,
              );
            }
            await tx`select pg_sleep(${((writer + round) % 5) / 100})`;
          });
        }
      });
      const reader = (async () => {
        while (running) await pull();
      })();
      await Promise.all(writers);
      running = false;
      await reader;
      await pull();
      const rows = await db<{ id: string; version: number }[]>`
        select id, version::int from public.tasks where assigned_to = ${person.id}`;
      expect(pulls).toBeGreaterThan(3);
      expect(mirror).toEqual(new Map(rows.map((row) => [row.id, row.version])));
    } finally {
      await db.end();
    }
  });
});

type Fault = "none" | "no connection" | "answer lost" | "killed";

interface Device {
  person: Person;
  store: SyncStore;
  fault: Fault;
  /** Calls of the server until the fault strikes. */
  fuse: number;
}

class Killed extends Error {}

/** A device whose connection, or process, ends when its fault says so. */
async function open(device: Device) {
  const strike = () => {
    if (device.fault === "none") return false;
    device.fuse -= 1;
    return device.fuse < 0;
  };
  const client = {
    async rpc(name: string, args: Record<string, unknown>) {
      const strikes = strike();
      if (strikes && device.fault === "no connection") throw new TypeError("fetch failed");
      const answer = await device.person.client.rpc(name as never, args as never);
      if (strikes && device.fault === "answer lost") throw new TypeError("fetch failed");
      return answer;
    },
  };
  const store: SyncStore = {
    load: () => device.store.load(),
    async save(state: SyncState) {
      if (strike() && device.fault === "killed") throw new Killed();
      await device.store.save(state);
    },
  };
  return openSync({ client, store, pageSize: 7 });
}

const fault = fc.constantFrom<Fault>("none", "none", "no connection", "answer lost", "killed");
const step = fc.oneof(
  fc.record({ do: fc.constant("insert" as const), device: fc.nat(2) }),
  fc.record({ do: fc.constant("edit" as const), device: fc.nat(2), row: fc.nat(3) }),
  fc.record({ do: fc.constant("delete" as const), device: fc.nat(2), row: fc.nat(3) }),
  fc.record({ do: fc.constant("sync" as const), device: fc.nat(2), fault, fuse: fc.nat(6) }),
  fc.record({ do: fc.constant("give away" as const), row: fc.nat(3) }),
  fc.record({ do: fc.constant("edit at the office" as const), row: fc.nat(3) }),
  fc.record({ do: fc.constant("force" as const), person: fc.nat(1) }),
);

/** Every row of the person as the Data API shows it, by id. */
async function truth(person: Person, type: SyncType): Promise<Map<string, number>> {
  const owner = type === "leads" || type === "tasks" ? "assigned_to" : "agent_id";
  const { data } = await person.client
    .from(type)
    .select("id, version")
    .filter(owner, "eq", person.id);
  return new Map(data?.map((row) => [row.id, row.version]));
}

describe("devices", () => {
  it("agree with the database after any edits, faults and changes of hands", async () => {
    const people = await Promise.all([createUser({ team }), createUser({ team })]);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 14 }), async (steps) => {
        // Two devices of the first person, one of the second.
        const devices: Device[] = [people[0]!, people[0]!, people[1]!].map((person) => ({
          person,
          store: memoryStore(),
          fault: "none",
          fuse: 0,
        }));
        const made: { id: string; device: Device }[] = [];
        const first = await open(devices[0]!);
        for (const title of ["One", "Two", "Three"]) {
          made.push({
            id: await first.change("tasks", "insert", null, { title }),
            device: devices[0]!,
          });
        }
        await first.sync();
        await (await open(devices[1]!)).sync();
        for (const [at, each] of steps.entries()) {
          const row = "row" in each ? made[each.row % Math.max(made.length, 1)] : undefined;
          const device = "device" in each ? devices[each.device] : undefined;
          if (device && each.do !== "sync") {
            device.fault = "none";
            const sync = await open(device);
            if (each.do === "insert") {
              const id = await sync.change("tasks", "insert", null, { title: `Step ${at}` });
              made.push({ id, device });
            } else if (row && sync.rows("tasks").some(({ id }) => id === row.id)) {
              const fields = { title: `Step ${at}`, description: `Step ${at}` };
              if (each.do === "edit") await sync.change("tasks", "update", row.id, fields);
              else await sync.change("tasks", "delete", row.id);
            }
          } else if (each.do === "sync" && device) {
            device.fault = each.fault;
            device.fuse = each.fuse;
            const sync = await open(device);
            await sync.sync().catch((error: unknown) => {
              if (!(error instanceof Killed || error instanceof TypeError)) throw error;
            });
          } else if (each.do === "give away" && row) {
            const other = people.find((person) => person !== row.device.person);
            await service().from("tasks").update({ assigned_to: other!.id }).eq("id", row.id);
          } else if (each.do === "edit at the office" && row) {
            await service()
              .from("tasks")
              .update({ title: `Office ${at}` })
              .eq("id", row.id);
          } else if (each.do === "force") {
            await people[each.person]!.client.rpc("sync_force");
          }
        }
        // Twice each: what one device sends is for the other to fetch.
        for (const device of [...devices, ...devices]) {
          device.fault = "none";
          await (await open(device)).sync();
        }
        for (const device of devices) {
          const sync = await open(device);
          expect(sync.pending()).toBe(0);
          for (const type of syncTypes) {
            const mirror = new Map(sync.rows(type).map((row) => [row.id, row.version]));
            expect(mirror).toEqual(await truth(device.person, type));
          }
        }
        // Nothing that a device had entered is lost, and nothing was entered twice.
        const inserted = made.map(({ id }) => id);
        const [count] = await sql()<{ n: number }[]>`
          select count(*)::int as n from public.tasks where id = any(${inserted})`;
        expect(count?.n).toBe(inserted.length);
      }),
      { numRuns: 8 },
    );
  }, 120_000);
});
