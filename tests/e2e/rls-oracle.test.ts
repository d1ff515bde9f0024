/** Random people, teams, leads and commands: the database answers as an independent oracle does. */
import fc from "fast-check";
import type postgres from "postgres";
import { afterAll, describe, expect, it } from "vitest";
import { connect, rolledBack } from "../helpers/database.ts";
import * as oracle from "./support/access-oracle.ts";
import {
  addLead,
  as,
  createWorld,
  type Fixture,
  placeOf,
  roleKeys,
} from "./support/access-world.ts";

type Tx = postgres.TransactionSql;

const sql = connect({ max: 1 });
const seed = Number(process.env.INTAKE_TEST_SEED ?? 20_261_121);

afterAll(() => sql.end());

const peopleCount = 6;
const leadCount = 5;
const person = fc.nat(peopleCount - 1);
const lead = fc.nat(leadCount - 1);
const team = fc.nat(2);
const somebody = fc.option(person, { nil: null, freq: 8 });

const sketch = fc.record({
  people: fc.array(
    fc.record({
      role: fc.nat(roleKeys.length - 1),
      isActive: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, fc.constant(false)),
      worksIn: fc.option(team, { nil: null }),
      manages: fc.array(team, { maxLength: 2 }),
    }),
    { minLength: peopleCount, maxLength: peopleCount },
  ),
  leads: fc.array(
    fc.record({ owner: fc.option(person, { nil: null }), team: fc.option(team, { nil: null }) }),
    { minLength: leadCount, maxLength: leadCount },
  ),
});

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });

const command = fc.oneof(
  weighted(
    3,
    fc.record({
      kind: fc.constant("insert" as const),
      by: somebody,
      owner: fc.option(person, { nil: null }),
      team: fc.option(team, { nil: null }),
    }),
  ),
  weighted(2, fc.record({ kind: fc.constant("update" as const), by: somebody, lead })),
  weighted(2, fc.record({ kind: fc.constant("move" as const), by: somebody, lead })),
  weighted(
    6,
    fc.record({
      kind: fc.constant("assign" as const),
      by: somebody,
      leads: fc.uniqueArray(lead, { minLength: 1, maxLength: 3 }),
      target: fc.oneof(person, fc.constantFrom(null, "themselves" as const)),
    }),
  ),
  weighted(
    2,
    fc.record({
      kind: fc.constant("access" as const),
      by: somebody,
      target: person,
      role: fc.nat(roleKeys.length - 1),
      isActive: fc.option(fc.boolean(), { nil: null }),
    }),
  ),
  // What happens around the people: none of it reaches their tokens.
  ...(["signOut", "signIn", "deactivate", "leaveTeams", "switchManager"] as const).map((kind) =>
    weighted(1, fc.record({ kind: fc.constant(kind), person })),
  ),
  weighted(1, fc.record({ kind: fc.constant("delete" as const), lead })),
);

type Command = typeof command extends fc.Arbitrary<infer C> ? C : never;

async function run(tx: Tx, { world, teams, roles }: Fixture, step: Command): Promise<void> {
  const actorOf = (index: number | null) => (index === null ? null : world.people[index]!);
  const verdict = (got: oracle.Verdict<unknown>, wanted: oracle.Verdict<unknown>) =>
    expect(got, JSON.stringify(step)).toEqual(wanted);

  switch (step.kind) {
    case "insert": {
      const wanted = {
        owner: step.owner === null ? null : world.people[step.owner]!.id,
        team: step.team === null ? null : teams[step.team]!,
      };
      const expected = oracle.insertLead(world, actorOf(step.by), wanted);
      // Without RETURNING, so that the policy for inserting is asked alone.
      const id = crypto.randomUUID();
      const got = await as(tx, actorOf(step.by), async (point) => {
        await point`insert into public.leads (id, name, assigned_to, team_id) values (${id}, 'By command', ${wanted.owner}, ${wanted.team})`;
        return true;
      });
      verdict(got, expected.allowed ? { allowed: true, value: true } : expected);
      if (!expected.allowed) return;
      const made = await placeOf(tx, id);
      const isExpected = expected.value.some(
        (place) => place.team === made.team && (place.owner ?? made.owner) === made.owner,
      );
      expect(
        isExpected || expected.value.some((place) => place.team === null),
        JSON.stringify(step),
      ).toBe(true);
      world.leads.push(made);
      return;
    }
    case "update": {
      const { id } = world.leads[step.lead]!;
      const got = await as(tx, actorOf(step.by), async (point) => {
        const { count } =
          await point`update public.leads set job_title = 'Changed' where id = ${id}`;
        return count;
      });
      return verdict(got, oracle.updateLead(world, actorOf(step.by), world.leads[step.lead]!));
    }
    case "move": {
      const { id } = world.leads[step.lead]!;
      const got = await as(tx, actorOf(step.by), async (point) => {
        await point`select public.lead_set_status(${id}, 'contacted')`;
        return true as const;
      });
      return verdict(got, oracle.moveLead(world, actorOf(step.by), world.leads[step.lead]!));
    }
    case "assign": {
      const leads = step.leads.map((index) => world.leads[index]!);
      const index = step.target === "themselves" ? step.by : step.target;
      const target = index === null ? null : world.people[index]!.id;
      const got = await as(tx, actorOf(step.by), async (point) => {
        const [row] = await point`
          select (a ->> 'assigned')::int as assigned, (a ->> 'unchanged')::int as unchanged, jsonb_array_length(a -> 'not_found') as not_found
          from public.lead_assign(${leads.map((one) => one.id)}, ${target}) a
        `;
        return { ...row };
      });
      return verdict(got, oracle.assignLeads(world, actorOf(step.by), leads, target));
    }
    case "access": {
      const target = world.people[step.target]!;
      const got = await as(tx, actorOf(step.by), async (point) => {
        await point`select public.user_set_access(${target.id}, ${roleKeys[step.role]!}, ${step.isActive})`;
        return true as const;
      });
      return verdict(
        got,
        oracle.setAccess(actorOf(step.by), target, roles[step.role]!, step.isActive),
      );
    }
    default:
      return happen(tx, world, step);
  }
}

async function happen(
  tx: Tx,
  world: oracle.World,
  step: Exclude<Command, { by: number | null }>,
): Promise<void> {
  if (step.kind === "delete") {
    const gone = world.leads[step.lead]!;
    await tx`update public.leads set deleted_at = now() where id = ${gone.id}`;
    gone.isDeleted = true;
    return;
  }
  const one = world.people[step.person]!;
  switch (step.kind) {
    case "signOut":
      await tx`delete from auth.sessions where user_id = ${one.id}`;
      one.hasSession = false;
      return;
    case "signIn":
      await tx`
        insert into auth.sessions (id, user_id, created_at, updated_at) values (${one.id}, ${one.id}, now(), now())
        on conflict do nothing
      `;
      one.hasSession = true;
      return;
    case "deactivate":
      await tx`update public.profiles set is_active = false where id = ${one.id}`;
      one.isActive = false;
      return;
    case "leaveTeams":
      await tx`delete from public.team_members where user_id = ${one.id}`;
      world.memberships = world.memberships.filter((membership) => membership.person !== one.id);
      return;
    case "switchManager": {
      // Only where it leaves them in one team at most, as the table demands.
      const theirs = world.memberships.filter((membership) => membership.person === one.id);
      if (theirs.length !== 1) return;
      await tx`update public.team_members set is_manager = not is_manager where user_id = ${one.id}`;
      theirs[0]!.isManager = !theirs[0]!.isManager;
    }
  }
}

/** Everything that these people see, by every way of looking. */
async function compareSights(
  tx: Tx,
  world: oracle.World,
  actors: oracle.OraclePerson[],
): Promise<void> {
  const leads = world.leads.map((one) => one.id);
  const people = world.people.map((one) => one.id);
  for (const actor of actors) {
    const seen = await as(tx, actor, async (point) => {
      const [row] = await point<Record<string, string[]>[]>`
        select
          array(select id from public.leads where id = any (${leads})) as leads,
          array(select id from public.leads_list where id = any (${leads})) as list,
          array(select id from public.leads_crm where id = any (${leads})) as crm,
          array(select distinct lead_id from public.activities where lead_id = any (${leads})) as timeline,
          array(select distinct lead_id from public.lead_enquiries where lead_id = any (${leads})) as enquiries,
          array(
            select h.lead_id from public.lead_history h where h.lead_id = any (${leads})
            union select a.lead_id from public.lead_assignments a where a.lead_id = any (${leads})
            except select v.id from public.leads v
          ) as beyond,
          array(select id from public.profiles where id = any (${people})) as people,
          array(select distinct user_id from public.team_members where user_id = any (${people})) as members
      `;
      return Object.fromEntries(Object.entries(row!).map(([name, ids]) => [name, ids.sort()]));
    });
    const visible = world.leads
      .filter((one) => oracle.seesLead(world, actor, one))
      .map((one) => one.id)
      .sort();
    const known = world.people.filter((one) => oracle.seesPerson(world, actor, one));
    const inTeams = known.filter((one) =>
      world.memberships.some(({ person }) => person === one.id),
    );
    expect(seen, `${actor.role.key} ${actor.id}`).toEqual({
      allowed: true,
      value: {
        leads: visible,
        list: visible,
        crm: visible,
        timeline: visible,
        enquiries: visible,
        beyond: [],
        people: known.map((one) => one.id).sort(),
        members: inTeams.map((one) => one.id).sort(),
      },
    });
  }
}

describe("row level security", () => {
  it("lets everybody see and do what the oracle says, whatever happened before", async () => {
    const property = fc.asyncProperty(
      sketch,
      fc.array(command, { minLength: 5, maxLength: 20 }),
      async (plan, commands) => {
        await rolledBack(sql, async (tx) => {
          const fixture = await createWorld(tx, plan);
          await addLead(tx, fixture.world, null, fixture.teams[0]!);
          const { people } = fixture.world;
          for (const [n, step] of commands.entries()) {
            await run(tx, fixture, step);
            await compareSights(tx, fixture.world, [people[n % people.length]!]);
          }
          await compareSights(tx, fixture.world, people);
        });
      },
    );
    await fc.assert(property, { seed, numRuns: 40 });
  }, 120_000);
});
