import type postgres from "postgres";
import { interleaved } from "./measure.ts";
import { personId, teamId } from "./seed.ts";

const INSERT_LIMIT = 0.5;
const HOT_LIMIT = 0.95;
const CLIENTS = 4;
const INSERTS_PER_CLIENT = 100;

export interface Write {
  measure: string;
  value: string;
  limit: string;
  holds: boolean;
}

/** What a write costs: one lead per transaction with and without our triggers, and a change of stage. */
export async function benchWrites(sql: postgres.Sql): Promise<Write[]> {
  const [without = Number.NaN, withAll = Number.NaN] = await interleaved(10, [
    () => insertLeads(sql, "disable"),
    () => insertLeads(sql, "enable"),
  ]);
  const share = without / withAll;
  const hot = await hotShare(sql);
  await sql`delete from public.leads where email like 'bench%@example.com'`;
  const rate = (ms: number) => Math.round((CLIENTS * INSERTS_PER_CLIENT * 1000) / ms);
  return [
    {
      measure: "insert with all triggers, share of the rate without",
      value: `${share.toFixed(2)} (${rate(withAll)}/s of ${rate(without)}/s)`,
      limit: `≥ ${INSERT_LIMIT}`,
      holds: share >= INSERT_LIMIT,
    },
    {
      measure: "stage changes that stay heap-only",
      value: `${(hot * 100).toFixed(1)} %`,
      limit: `≥ ${HOT_LIMIT * 100} %`,
      holds: hot >= HOT_LIMIT,
    },
  ];
}

let inserted = 0;

/** Foreign keys, checks and indexes stay on either way: `trigger user` is ours alone. */
async function insertLeads(sql: postgres.Sql, triggers: "enable" | "disable"): Promise<number> {
  await sql.unsafe(`alter table public.leads ${triggers} trigger user`);
  try {
    // Switching the triggers threw away every plan: those are made again before the clock runs.
    await Promise.all(Array.from({ length: CLIENTS }, () => insertSome(sql, 10)));
    const start = performance.now();
    await Promise.all(Array.from({ length: CLIENTS }, () => insertSome(sql, INSERTS_PER_CLIENT)));
    return performance.now() - start;
  } finally {
    await sql`alter table public.leads enable trigger user`;
  }
}

async function insertSome(sql: postgres.Sql, inserts: number): Promise<void> {
  for (let i = 0; i < inserts; i += 1) {
    inserted += 1;
    await sql`
      insert into public.leads (name, email, phone, source, status, currency, assigned_to, team_id)
      values (
        ${`Bench ${inserted}`}, ${`bench${inserted}@example.com`}, ${`+9180000${String(inserted).padStart(5, "0")}`},
        'Website', 'new', 'INR', ${personId("counselor", 7)}, ${teamId(7)}
      )
    `;
  }
}

async function hotShare(sql: postgres.Sql): Promise<number> {
  const read = async () => {
    await sql`select pg_stat_force_next_flush()`;
    const [row] =
      await sql`select pg_stat_get_tuples_updated('public.leads'::regclass)::int as all, pg_stat_get_tuples_hot_updated('public.leads'::regclass)::int as hot`;
    return { all: Number(row?.all), hot: Number(row?.hot) };
  };
  const one = await sql.reserve();
  try {
    const before = await read();
    const leads = await one<{ id: string }[]>`
      select id from public.leads where status = 'new' and email like 'lead%' order by created_at limit 1000
    `;
    for (const { id } of leads) {
      await one`update public.leads set status = 'contacted' where id = ${id}`;
    }
    await one`select pg_stat_force_next_flush()`;
    await one`select 1`;
    const after = await read();
    await one`set session_replication_role = replica`;
    await one`update public.leads set status = 'new', max_stage = 1 where id in ${one(leads.map((lead) => lead.id))}`;
    await one`reset session_replication_role`;
    return (after.hot - before.hot) / (after.all - before.all);
  } finally {
    one.release();
  }
}
