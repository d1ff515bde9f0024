/** The oracle's world in the database: made and asked within one transaction that is rolled back. */
import { randomUUID } from "node:crypto";
import postgres from "postgres";
import type { Actor, OracleLead, OraclePerson, Role, Verdict, World } from "./access-oracle.ts";

type Tx = postgres.TransactionSql;

/** Besides the built-in roles: one for each scope with other permissions than usual. */
const ownRoles = [
  { key: "fuzz_reader", scope: "own", permissions: [] },
  { key: "fuzz_dispatcher", scope: "own", permissions: ["leads.create", "leads.assign"] },
  { key: "fuzz_auditor", scope: "all", permissions: [] },
  { key: "fuzz_hr", scope: "all", permissions: ["users.manage", "leads.create", "leads.update"] },
  { key: "fuzz_coach", scope: "team", permissions: ["leads.update", "users.manage"] },
] as const;

export const roleKeys = ["admin", "manager", "counselor", ...ownRoles.map((role) => role.key)];

export async function createRoles(tx: Tx): Promise<Role[]> {
  for (const { key, scope, permissions } of ownRoles) {
    await tx`insert into public.roles (key, name, data_scope) values (${key}, ${key}, ${scope})`;
    await tx`
      insert into public.role_permissions (role_id, permission)
      select r.id, p from public.roles r, unnest(${[...permissions]}::text[]) p where r.key = ${key}
    `;
  }
  const rows = await tx<{ key: string; scope: Role["scope"]; permissions: string[] }[]>`
    select r.key, r.data_scope as scope,
      array(select rp.permission from public.role_permissions rp where rp.role_id = r.id) as permissions
    from public.roles r where r.key = any (${roleKeys})
  `;
  return roleKeys.map((key) => {
    const row = rows.find((one) => one.key === key)!;
    return { key, scope: row.scope, permissions: new Set(row.permissions) };
  });
}

export interface Sketch {
  people: { role: number; isActive: boolean; worksIn: number | null; manages: number[] }[];
  leads: { owner: number | null; team: number | null }[];
}

export interface Fixture {
  world: World;
  teams: string[];
  roles: Role[];
}

export async function createWorld(tx: Tx, sketch: Sketch): Promise<Fixture> {
  const roles = await createRoles(tx);
  const teams = [randomUUID(), randomUUID(), randomUUID()];
  for (const id of teams) {
    await tx`insert into public.teams (id, name, is_auto_assigned) values (${id}, ${id}, false)`;
  }
  const world: World = { people: [], memberships: [], leads: [] };
  // Never touched, so that no administrator below is the last one.
  await createPerson(tx, { role: roles[0]!, isActive: true });
  for (const { role, isActive, worksIn, manages } of sketch.people) {
    const person = await createPerson(tx, { role: roles[role]!, isActive });
    world.people.push(person);
    if (worksIn !== null) await join(tx, world, teams[worksIn]!, person.id, false);
    for (const team of new Set(manages)) {
      if (team !== worksIn) await join(tx, world, teams[team]!, person.id, true);
    }
  }
  for (const { owner, team } of sketch.leads) {
    const person = owner === null ? undefined : world.people[owner];
    await addLead(tx, world, person?.isActive ? person.id : null, teams[team ?? 0] ?? null);
  }
  return { world, teams, roles };
}

async function createPerson(
  tx: Tx,
  { role, isActive }: { role: Role; isActive: boolean },
): Promise<OraclePerson> {
  const id = randomUUID();
  await tx`
    insert into auth.users (id, instance_id, aud, role, email)
    values (${id}, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', ${`${id}@example.test`})
  `;
  await tx`
    update public.profiles p set is_active = ${isActive}, role_id = r.id
    from public.roles r where p.id = ${id} and r.key = ${role.key}
  `;
  await tx`insert into auth.sessions (id, user_id, created_at, updated_at) values (${id}, ${id}, now(), now())`;
  return { id, role, isActive, hasSession: true };
}

async function join(tx: Tx, world: World, team: string, person: string, isManager: boolean) {
  await tx`
    insert into public.team_members (team_id, user_id, is_manager) values (${team}, ${person}, ${isManager})
  `;
  world.memberships.push({ team, person, isManager });
}

/** Adds a lead as nobody in particular, and tells the oracle where it ended up. */
export async function addLead(tx: Tx, world: World, owner: string | null, team: string | null) {
  const [lead] = await tx<{ id: string }[]>`
    insert into public.leads (name, assigned_to, team_id) values ('Fuzzed', ${owner}, ${team}) returning id
  `;
  await tx`update public.leads set job_title = 'Known' where id = ${lead!.id}`;
  world.leads.push(await placeOf(tx, lead!.id));
}

/** Leads without an owner may have been given to somebody: the turns are not this oracle's matter. */
export async function placeOf(tx: Tx, id: string): Promise<OracleLead> {
  const [lead] = await tx<{ owner: string | null; team: string | null; deleted: boolean }[]>`
    select assigned_to as owner, team_id as team, deleted_at is not null as deleted
    from public.leads where id = ${id}
  `;
  return { id, owner: lead!.owner, team: lead!.team, isDeleted: lead!.deleted };
}

/** Runs a statement as that person; a refusal undoes what it did, and is told by its SQLSTATE. */
export async function as<T>(
  tx: Tx,
  actor: Actor,
  work: (tx: Tx) => Promise<T>,
): Promise<Verdict<T>> {
  const role = actor === null ? "anon" : "authenticated";
  const claims =
    actor === null ? { role } : { role, sub: actor.id, session_id: actor.id, aud: role };
  try {
    const value = await tx.savepoint(async (point) => {
      await point`
        select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true), set_config('role', ${role}, true)
      `;
      const result = await work(point);
      await point`select set_config('request.jwt.claims', '', true), set_config('role', 'none', true)`;
      return result;
    });
    return { allowed: true, value: value as T };
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    return { allowed: false, code: error.code };
  }
}
