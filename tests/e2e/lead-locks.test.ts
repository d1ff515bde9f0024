/** Who adds something to a lead and who changes it do not wait for each other, and never deadlock. */
import { afterAll, describe, expect, it } from "vitest";
import { connect } from "../helpers/database.ts";
import { unique } from "../helpers/index.ts";

const sql = connect({ max: 8 });

afterAll(() => sql.end());

async function addLead(): Promise<string> {
  const [lead] = await sql<{ id: string }[]>`
    insert into public.leads (name) values (${unique("Locked")}) returning id
  `;
  return lead!.id;
}

describe("a lead", () => {
  it("is changed while somebody else is adding to it", async () => {
    const id = await addLead();
    await sql.begin(async (adding) => {
      await adding`insert into public.lead_history (lead_id, from_status, to_status) values (${id}, 'new', 'lost')`;
      await sql.begin(async (changing) => {
        await changing`set local lock_timeout = '2s'`;
        const changed = await changing`update public.leads set job_title = 'Dean' where id = ${id}`;
        expect(changed.count).toBe(1);
      });
    });
  });

  it("takes many who add and change at once, without a deadlock", async () => {
    const id = await addLead();
    const before = await sql`select version from public.leads where id = ${id}`;
    await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        sql.begin(async (tx) => {
          await tx`insert into public.lead_history (lead_id, from_status, to_status) values (${id}, 'new', 'lost')`;
          await tx`update public.leads set job_title = ${`Title ${n}`} where id = ${id}`;
        }),
      ),
    );
    const after = await sql`select version from public.leads where id = ${id}`;
    expect(Number(after[0]?.version) - Number(before[0]?.version)).toBe(60);
  });
});
