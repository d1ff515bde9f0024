/**
 * The world of the matrix: two teams with a manager and counselors each, two admins, and in every
 * table one row that belongs to the own counselor. Built and rolled back within one transaction.
 */
import { ids, sessionOf } from "./personas.ts";
import type { Transaction } from "./probe.ts";

const people: [id: string, role: string, name: string, team: string | null][] = [
  [ids.own, "counselor", "own", ids.ownTeam],
  [ids.colleague, "counselor", "colleague", ids.ownTeam],
  [ids.ownManager, "manager", "own-manager", ids.ownTeam],
  [ids.other, "counselor", "other", ids.otherTeam],
  [ids.otherManager, "manager", "other-manager", ids.otherTeam],
  [ids.admin, "admin", "admin", null],
  [ids.spareAdmin, "admin", "spare-admin", null],
];

export async function buildFixture(tx: Transaction, rows: string[]): Promise<void> {
  const teams = [ids.ownTeam, ids.otherTeam, ids.spareTeam];
  for (const [index, id] of teams.entries()) {
    await tx`insert into public.teams (id, name) values (${id}, ${`Matrix ${index}`})`;
  }
  for (const [id, role, name, team] of people) {
    await tx`
      insert into auth.users (id, instance_id, aud, role, email, encrypted_password, email_confirmed_at,
        raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
      values (${id}, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated',
        ${`${name}@matrix.test`}, '', now(), '{}', ${tx.json({ full_name: name })}, now(), now())
    `;
    await tx`
      update public.profiles
      set is_active = true, role_id = (select r.id from public.roles r where r.key = ${role})
      where id = ${id}
    `;
    await tx`
      insert into auth.sessions (id, user_id, created_at, updated_at, aal)
      values (${sessionOf(id)}, ${id}, now(), now(), 'aal1')
    `;
    if (team !== null) {
      await tx`
        insert into public.team_members (team_id, user_id, is_manager)
        values (${team}, ${id}, ${role === "manager"})
      `;
    }
  }
  await tx`insert into public.pipeline_stages (key, name, position) values ('matrix', 'Matrix', 900)`;
  await tx`
    insert into public.leads (id, name, email, source, status, assigned_to)
    values (${ids.lead}, 'Own lead', 'lead@matrix.test', 'Matrix own', 'matrix', ${ids.own}),
      (${ids.otherLead}, 'Other lead', 'other-lead@matrix.test', 'Matrix other', 'new', ${ids.other})
  `;
  for (const topic of [`user:${ids.own}`, `team:${ids.ownTeam}`, `lead:${ids.lead}`]) {
    await tx`
      insert into realtime.messages (topic, extension, event, payload, private)
      values (${topic}, 'broadcast', 'matrix', '{}', true)
    `;
  }
  for (const row of rows) await tx.unsafe(row);
}
