/**
 * What the matrix proves in SQL, seen from where an attacker stands: with a key, a token and HTTP.
 * Everybody here is made for the test.
 */
import { beforeAll, describe, expect, it } from "vitest";
import {
  anon,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  service,
  signIn,
  sql,
  stack,
} from "../helpers/index.ts";

let own: Person;
let other: Person;
let manager: Person;
let leadId: string;

const blank = { status: "new", currency: "INR" };

beforeAll(async () => {
  const team = await createTeam();
  [own, manager, other] = await Promise.all([
    createUser({ team }),
    createUser({ role: "manager", team }),
    createUser({ team: await createTeam() }),
  ]);
  const made = await own.client
    .from("leads")
    .insert({ ...blank, name: "Own lead" })
    .select("id")
    .single();
  leadId = expectData(made).id;
});

describe("without a token", () => {
  it.each(["leads", "profiles", "system_settings", "audit_logs"] as const)(
    "the publishable key reads nothing of %s",
    async (table) => {
      expectError(await anon().from(table).select("*").limit(1), { code: "42501" });
    },
  );

  it("the publishable key calls none of the RPCs for people", async () => {
    expectError(await anon().rpc("me"), { code: "42501" });
  });
});

describe("a lead", () => {
  it("is seen by its counselor and their manager, and by nobody else's counselor", async () => {
    const seen = async (person: Person) =>
      expectData(await person.client.from("leads").select("id").eq("id", leadId)).length;
    expect([await seen(own), await seen(manager), await seen(other)]).toEqual([1, 1, 0]);
  });

  it("cannot be taken by an upsert onto its id", async () => {
    const taken = await other.client
      .from("leads")
      .upsert({ ...blank, id: leadId, name: "Mine now" })
      .select("id");
    expectError(taken, { code: "42501", status: 403 });
  });

  it("cannot be given away by writing its owner", async () => {
    const given = await own.client
      .from("leads")
      .update({ assigned_to: other.id })
      .eq("id", leadId)
      .select("id");
    expectError(given, { code: "42501", status: 403 });
  });

  it("does not leak through an embed, a count or an or-filter", async () => {
    const embed = await other.client
      .from("lead_history")
      .select("id, leads!inner(name)")
      .eq("lead_id", leadId);
    expect(expectData(embed)).toEqual([]);
    const counted = await other.client
      .from("leads")
      .select("*", { count: "exact", head: true })
      .or(`id.eq.${leadId},name.eq.Own lead`);
    expect(counted.count).toBe(0);
  });
});

describe("one's own profile", () => {
  it.each([{ role_id: "00000000-0000-0000-0000-000000000000" }, { is_active: true }])(
    "refuses %j",
    async (change) => {
      const changed = await own.client.from("profiles").update(change).eq("id", own.id);
      expectError(changed, { code: "42501", status: 403 });
    },
  );

  it("takes no role from the metadata a person can write", async () => {
    const client = await signIn(own.email);
    const { error } = await client.auth.updateUser({ data: { role: "admin" } });
    expect(error).toBeNull();
    expect(expectData(await client.rpc("me"))).toMatchObject({ role: "counselor" });
  });
});

describe("a valid token", () => {
  it("opens nothing from the moment the account is deactivated", async () => {
    const person = await createUser();
    expectData(
      await person.client
        .from("leads")
        .insert({ ...blank, name: "Before" })
        .select("id")
        .single(),
    );
    await sql()`update public.profiles set is_active = false where id = ${person.id}`;
    expect(expectData(await person.client.from("leads").select("id"))).toEqual([]);
    expectError(await person.client.rpc("me"), { code: "42501", details: "account_inactive" });
  });

  it("opens nothing from the moment its session is ended", async () => {
    const person = await createUser();
    expectData(await person.client.rpc("me"));
    await sql()`delete from auth.sessions where user_id = ${person.id}`;
    expectError(await person.client.rpc("me"), { code: "42501", details: "account_inactive" });
  });

  it("loses a role with the next request", async () => {
    const person = await createUser({ role: "admin" });
    expectData(await person.client.rpc("jobs_stats"));
    await sql()`
      update public.profiles set role_id = (select id from public.roles where key = 'counselor')
      where id = ${person.id}
    `;
    expectError(await person.client.rpc("jobs_stats"), {
      code: "42501",
      details: "permission_denied",
    });
  });
});

describe("schemas that are not for clients", () => {
  it.each(["private", "auth", "vault", "net", "cron", "storage", "realtime"])(
    "%s is not exposed",
    async (schema) => {
      const response = await fetch(`${stack().url}/rest/v1/jobs?select=*`, {
        headers: {
          apikey: stack().secretKey,
          authorization: `Bearer ${stack().secretKey}`,
          "accept-profile": schema,
        },
      });
      expect(response.status).toBe(406);
    },
  );

  it("not even the secret key reads the job queue as a table", async () => {
    // @ts-expect-error the table is not in the types either
    const answer = await service().from("jobs").select("*");
    expect(answer.status).toBe(404);
  });
});
