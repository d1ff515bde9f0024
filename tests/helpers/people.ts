/** People and teams of a test's own, so that no test depends on another's rows. */
import { randomBytes } from "node:crypto";
import { as, type Client, password, service } from "./clients.ts";
import { sql } from "./sql.ts";

/** `Visitor 9f2c1a`: the same name never comes twice. */
export const unique = (name: string): string => `${name} ${randomBytes(4).toString("hex")}`;

export const uniqueEmail = (name = "person"): string =>
  `${name}.${randomBytes(6).toString("hex")}@example.test`;

/** A valid Indian mobile number that no other test uses, as far as ten digits allow. */
export const uniquePhone = (): string =>
  `+919${(randomBytes(4).readUInt32BE() % 1_000_000_000).toString().padStart(9, "0")}`;

export interface Team {
  id: string;
  name: string;
}

export async function createTeam(name = unique("Team")): Promise<Team> {
  const [team] = await sql()<Team[]>`
    insert into public.teams (name) values (${name}) returning id, name
  `;
  return team!;
}

export interface Person {
  id: string;
  email: string;
  client: Client;
}

export interface PersonOptions {
  role?: "admin" | "manager" | "counselor" | (string & {});
  /** A manager manages it, anybody else is in it. */
  team?: Team;
  isActive?: boolean;
  fullName?: string;
}

/** An account made as an administrator would make it, already signed in. */
export async function createUser(options: PersonOptions = {}): Promise<Person> {
  const { role = "counselor", team, isActive = true, fullName = unique(role) } = options;
  const email = uniqueEmail(role);
  const { data, error } = await service().auth.admin.createUser({
    email,
    password,
    email_confirm: true,
    user_metadata: { full_name: fullName },
  });
  if (error) throw new Error(`${email} cannot be created: ${error.message}`);
  const id = data.user.id;
  const changed = await sql()`
    update public.profiles p
    set is_active = ${isActive}, role_id = r.id
    from public.roles r
    where p.id = ${id} and r.key = ${role}
  `;
  if (changed.count !== 1) throw new Error(`${email} got no profile, or ${role} is no role`);
  if (team) {
    await sql()`
      insert into public.team_members (team_id, user_id, is_manager)
      values (${team.id}, ${id}, ${role === "manager"})
    `;
  }
  return { id, email, client: await as(email) };
}
