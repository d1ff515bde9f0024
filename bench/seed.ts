import type postgres from "postgres";
import { progress } from "./measure.ts";

export const TEAMS = 20;
export const COUNSELORS = 180;
const CHUNK = 50_000;

/**
 * A million leads of 180 counselors in 20 teams, 3 % of them without an owner. Triggers are off while
 * they are made: the benchmark measures reading and single writes, not the seeding.
 */
export async function seedLeads(sql: postgres.Sql, leads: number): Promise<void> {
  const [present] = await sql`select count(*)::int as n from public.leads`;
  if (present?.n === leads) return;
  if (present?.n > 0)
    throw new Error(`The benchmark's data holds ${present?.n} leads: delete .local/bench.`);
  await seedPeople(sql);
  for (let from = 0; from < leads; from += CHUNK) {
    progress("seeding leads", from, leads);
    await sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`
        insert into public.leads (first_name, last_name, name, email, phone, source, status, max_stage, value, currency, course, assigned_to, team_id, created_at, score)
        select
          'First' || n % 997, 'Last' || n % 7919, 'First' || n % 997 || ' Last' || n % 7919,
          'lead' || n || '@example.com', '+91' || 7000000000 + n,
          (array['Website', 'Facebook Ad', 'Google', 'LinkedIn', 'Walk-in', 'Referral'])[1 + hash % 6],
          s.key, least(s.position, 5), (hash % 500) * 1000, 'INR', 'Course ' || hash % 40,
          case when hash % 100 < 3 then null else ('00000000-0000-4000-8000-' || lpad((1000 + person)::text, 12, '0'))::uuid end,
          ('00000000-0000-4000-9000-' || lpad((person % ${TEAMS})::text, 12, '0'))::uuid,
          timestamptz '2026-11-01' - (${leads}::int - n) * interval '1 minute', hash % 101
        from (
          select n, (hashint4(n)::bigint & 2147483647)::int as hash, ((hashint4(n + 7)::bigint & 2147483647) % ${COUNSELORS})::int as person
          from generate_series(${from}::int, ${Math.min(from + CHUNK, leads) - 1}::int) n
        ) g
        join public.pipeline_stages s on s.position = (array[1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7])[1 + (hash / 7) % 12]
      `;
    });
  }
  progress("seeding leads", leads, leads);
  await sql`vacuum analyze public.leads`;
}

export async function seedPeople(sql: postgres.Sql): Promise<void> {
  const people = [
    { id: personId("admin", 0), email: "admin@bench.test", role: "admin" },
    ...Array.from({ length: TEAMS }, (_, n) => ({
      id: personId("manager", n),
      email: `manager${n}@bench.test`,
      role: "manager",
    })),
    ...Array.from({ length: COUNSELORS }, (_, n) => ({
      id: personId("counselor", n),
      email: `counselor${n}@bench.test`,
      role: "counselor",
    })),
  ];
  await sql.begin(async (tx) => {
    for (const { id, email, role } of people) {
      await tx`
        insert into auth.users (instance_id, id, aud, role, email, created_at, updated_at)
        values ('00000000-0000-0000-0000-000000000000', ${id}, 'authenticated', 'authenticated', ${email}, now(), now())
      `;
      await tx`insert into auth.sessions (id, user_id, created_at, updated_at) values (${id}, ${id}, now(), now())`;
      await tx`
        update public.profiles p set is_active = true, role_id = r.id
        from public.roles r where r.key = ${role} and p.id = ${id}
      `;
    }
    for (let n = 0; n < TEAMS; n += 1) {
      await tx`insert into public.teams (id, name) values (${teamId(n)}, ${`Team ${n}`})`;
      await tx`insert into public.team_members (team_id, user_id, is_manager) values (${teamId(n)}, ${personId("manager", n)}, true)`;
    }
    for (let n = 0; n < COUNSELORS; n += 1) {
      await tx`insert into public.team_members (team_id, user_id) values (${teamId(n % TEAMS)}, ${personId("counselor", n)})`;
    }
  });
}

export function teamId(n: number): string {
  return `00000000-0000-4000-9000-${String(n).padStart(12, "0")}`;
}

export function personId(role: "admin" | "manager" | "counselor", n: number): string {
  const base = { admin: 100, manager: 500, counselor: 1000 }[role];
  return `00000000-0000-4000-8000-${String(base + n).padStart(12, "0")}`;
}
