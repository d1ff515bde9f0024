/** Automatic assignment while many leads arrive at once: turns stay fair and caps hold. */
import { afterAll, describe, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { createTeam, createUser, type Team, unique } from "../helpers/index.ts";

const sql = connect({ max: 10 });

afterAll(() => sql.end());

async function teamOf(caps: (number | null)[]): Promise<{ team: Team; members: string[] }> {
  const team = await createTeam();
  // Leads that other tests leave without an owner are not for this team.
  await sql`update public.teams set is_auto_assigned = false where id = ${team.id}`;
  const members: string[] = [];
  for (const cap of caps) {
    const { id } = await createUser({ team });
    await sql`update public.profiles set max_open_leads = ${cap} where id = ${id}`;
    members.push(id);
  }
  return { team, members };
}

/** That many leads, each in a transaction of its own, as many at a time as there are connections. */
async function arrive(count: number, team: Team): Promise<void> {
  const name = unique("Arrival");
  await Promise.all(
    Array.from(
      { length: count },
      (_, n) =>
        sql`insert into public.leads (name, team_id) values (${`${name} ${n}`}, ${team.id})`,
    ),
  );
}

async function ownersOf(team: Team): Promise<Map<string | null, number>> {
  const rows = await sql<{ owner: string | null; leads: number }[]>`
    select assigned_to as owner, count(*)::int as leads from public.leads
    where team_id = ${team.id} and deleted_at is null group by assigned_to
  `;
  return new Map(rows.map(({ owner, leads }) => [owner, leads]));
}

describe("two hundred leads at once", () => {
  it("go round: nobody gets more than one more than anybody else", async () => {
    const { team, members } = await teamOf([null, null, null]);
    await arrive(200, team);
    const owners = await ownersOf(team);
    const shares = members.map((member) => owners.get(member) ?? 0);
    expect(owners.get(null) ?? 0).toBe(0);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(200);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
  });

  it("stop at the caps, and the others share the rest", async () => {
    const { team, members } = await teamOf([30, 25, null, null]);
    await arrive(200, team);
    const owners = await ownersOf(team);
    const [small, smaller, third, fourth] = members.map((member) => owners.get(member) ?? 0);
    expect([small, smaller]).toEqual([30, 25]);
    expect(third! + fourth!).toBe(145);
    expect(Math.abs(third! - fourth!)).toBeLessThanOrEqual(1);
  });

  it("wait once everybody is full, and are given away when places come free", async () => {
    const { team, members } = await teamOf([20, 20]);
    await arrive(60, team);
    const full = await ownersOf(team);
    expect(members.map((member) => full.get(member))).toEqual([20, 20]);
    expect(full.get(null)).toBe(20);
    const [silence] = await sql`
      select count(*)::int as decisions, count(distinct a.lead_id)::int as leads
      from public.lead_assignments a join public.leads l on l.id = a.lead_id
      where l.team_id = ${team.id} and a.to_user_id is null
    `;
    expect(silence).toEqual({ decisions: 20, leads: 20 });

    // Places come free while new leads arrive and several sweeps run.
    await sql`
      update public.leads set status = 'lost'
      where id in (select id from public.leads where assigned_to = any (${members}) order by id limit 12)
    `;
    await Promise.all([
      sql`select private.assign_waiting_leads()`,
      arrive(10, team),
      sql`select private.assign_waiting_leads()`,
      sql`select private.assign_waiting_leads()`,
    ]);
    const open = await sql<{ owner: string; leads: number }[]>`
      select l.assigned_to as owner, count(*)::int as leads
      from public.leads l join public.pipeline_stages s on s.key = l.status and not s.is_closed
      where l.assigned_to = any (${members}) group by 1
    `;
    expect(open.map(({ leads }) => leads)).toEqual([20, 20]);
    expect((await ownersOf(team)).get(null)).toBe(18);
  });
});
