/**
 * Who may see and do what, said a second time in TypeScript and without looking at the SQL: the
 * database is compared with this after every command.
 */

export interface Role {
  key: string;
  scope: "own" | "team" | "all";
  permissions: ReadonlySet<string>;
}

export interface OraclePerson {
  id: string;
  role: Role;
  isActive: boolean;
  hasSession: boolean;
}

export interface Membership {
  team: string;
  person: string;
  isManager: boolean;
}

export interface OracleLead {
  id: string;
  owner: string | null;
  team: string | null;
  isDeleted: boolean;
}

export interface World {
  people: OraclePerson[];
  memberships: Membership[];
  leads: OracleLead[];
}

/** `null` is a request with the publishable key alone. */
export type Actor = OraclePerson | null;

const isAlive = (actor: Actor): actor is OraclePerson =>
  actor?.isActive === true && actor.hasSession;

const seesAll = (actor: Actor): boolean => isAlive(actor) && actor.role.scope === "all";

export const managedTeams = (world: World, actor: Actor): string[] =>
  isAlive(actor) && actor.role.scope === "team"
    ? world.memberships
        .filter((one) => one.person === actor.id && one.isManager)
        .map((one) => one.team)
    : [];

export const may = (actor: Actor, permission: string): boolean =>
  isAlive(actor) && actor.role.permissions.has(permission);

type Place = Pick<OracleLead, "owner" | "team">;

const isWithinReach = (world: World, actor: Actor, { owner, team }: Place): boolean =>
  seesAll(actor) ||
  (team !== null && managedTeams(world, actor).includes(team)) ||
  (isAlive(actor) && owner === actor.id);

export const seesLead = (world: World, actor: Actor, lead: OracleLead): boolean =>
  !lead.isDeleted && isWithinReach(world, actor, lead);

const teamsOf = (world: World, person: string): Set<string> =>
  new Set(world.memberships.filter((one) => one.person === person).map((one) => one.team));

export function seesPerson(world: World, actor: Actor, person: OraclePerson): boolean {
  if (!isAlive(actor)) return false;
  const mine = teamsOf(world, actor.id);
  return (
    seesAll(actor) ||
    person.id === actor.id ||
    [...teamsOf(world, person.id)].some((team) => mine.has(team))
  );
}

/** The team a person's leads belong to: the preferred one, the one they work in, the first they manage. */
export function teamOf(world: World, person: string, preferred: string | null): string | null {
  const theirs = world.memberships
    .filter((one) => one.person === person)
    .sort((a, b) => Number(a.isManager) - Number(b.isManager) || (a.team < b.team ? -1 : 1));
  return (theirs.find((one) => one.team === preferred) ?? theirs[0])?.team ?? null;
}

export type Verdict<T> = { allowed: true; value: T } | { allowed: false; code: string };

const refuse = (code: string) => ({ allowed: false, code }) as const;

const allow = <T>(value: T) => ({ allowed: true, value }) as const;

/** Where a new lead may end up; one of them, because a manager of several teams has no first one. */
export function insertLead(world: World, actor: Actor, wanted: Place): Verdict<Place[]> {
  if (actor === null) return refuse("42501");
  const places: Place[] = [];
  if (wanted.owner !== null) {
    const owner = world.people.find((person) => person.id === wanted.owner);
    if (!owner?.isActive) return refuse("PT422");
    places.push({ owner: owner.id, team: teamOf(world, owner.id, wanted.team) });
  } else if (wanted.team !== null || seesAll(actor)) {
    places.push(wanted);
  } else {
    const teams = managedTeams(world, actor);
    places.push(...teams.map((team) => ({ owner: null, team })));
    if (teams.length === 0 && isAlive(actor)) {
      places.push({ owner: actor.id, team: teamOf(world, actor.id, null) });
    }
  }
  const open = places.filter((place) => isWithinReach(world, actor, place));
  return may(actor, "leads.create") && open.length > 0 ? allow(open) : refuse("42501");
}

/** How many rows a plain update of one lead touches. */
export const updateLead = (world: World, actor: Actor, lead: OracleLead): Verdict<number> =>
  actor === null
    ? refuse("42501")
    : allow(may(actor, "leads.update") && seesLead(world, actor, lead) ? 1 : 0);

export function moveLead(world: World, actor: Actor, lead: OracleLead): Verdict<true> {
  if (actor === null) return refuse("42501");
  if (!seesLead(world, actor, lead)) return refuse("PT404");
  return may(actor, "leads.update") ? allow(true) : refuse("42501");
}

export interface Assigned {
  assigned: number;
  unchanged: number;
  not_found: number;
}

export function assignLeads(
  world: World,
  actor: Actor,
  leads: OracleLead[],
  target: string | null,
): Verdict<Assigned> {
  if (!may(actor, "leads.assign")) return refuse("42501");
  const person = world.people.find((one) => one.id === target);
  if (target !== null) {
    const managed = managedTeams(world, actor);
    const isReachable =
      target === actor?.id ||
      seesAll(actor) ||
      [...teamsOf(world, target)].some((team) => managed.includes(team));
    if (!person?.isActive || !isReachable) return refuse("PT422");
  }
  const reachable = leads.filter((lead) => seesLead(world, actor, lead));
  const moved = reachable.filter((lead) => lead.owner !== target);
  for (const lead of moved) {
    if (target !== null) lead.team = teamOf(world, target, lead.team);
    lead.owner = target;
  }
  return allow({
    assigned: moved.length,
    unchanged: reachable.length - moved.length,
    not_found: leads.length - reachable.length,
  });
}

export function setAccess(
  actor: Actor,
  target: OraclePerson,
  role: Role,
  isActive: boolean | null,
): Verdict<true> {
  if (!may(actor, "users.manage") || !seesAll(actor)) return refuse("42501");
  const concerned = [...role.permissions, ...target.role.permissions];
  if (!concerned.every((permission) => may(actor, permission))) return refuse("42501");
  target.role = role;
  if (isActive !== null) target.isActive = isActive;
  if (isActive === false) target.hasSession = false;
  return allow(true);
}
