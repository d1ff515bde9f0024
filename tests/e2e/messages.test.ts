/**
 * Messages through the whole stack: asked for, queued, carried by a provider, and reported on by its signed
 * webhooks. Whatever the provider does, nothing is sent twice, and nothing is lost without a word.
 */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type OpenProject, startOwnProject } from "../helpers/environment.ts";
import { patience } from "./support/meta.ts";

vi.setConfig({ testTimeout: 2 * patience.timeout });

// Faults of a simulator are everybody's who shares it: a stack of our own.
let project: OpenProject;
let sql: postgres.Sql;

type Provider = "sendgrid" | "twilio" | "whatsapp";

interface Carried {
  id: string;
  about: string;
  to: string;
  text: string;
  fields: Record<string, unknown>;
}

async function control<T = unknown>(path: string, input?: unknown): Promise<T> {
  const response = await fetch(`${project.simulatorUrl}/_sim/${path}`, {
    method: input === undefined ? "GET" : "POST",
    ...(input === undefined ? {} : { body: JSON.stringify(input) }),
  });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  return (await response.json()) as T;
}

const carriedAbout = async (provider: Provider, id: string) =>
  (await control<Carried[]>(`${provider}/messages`)).filter(({ about }) => about === id);

const report = (provider: Provider, about: string, fields: object) =>
  control(`${provider}/report`, { about, ...fields });

interface Row {
  status: string;
  error: string | null;
  provider_message_id: string | null;
  read_at: Date | null;
}

const rowOf = async (id: string) =>
  (
    await sql<Row[]>`
      select status, error, provider_message_id, read_at from public.communications where id = ${id}`
  )[0]!;

const becomes = (id: string, wanted: Partial<Row>) =>
  expect.poll(() => rowOf(id), patience).toMatchObject(wanted);

beforeAll(async () => {
  project = await startOwnProject({ seed: false });
  sql = postgres(project.dbUrl, { max: 3, onnotice: () => {} });
}, 120_000);

afterEach(async () => {
  await sql`update private.job_providers set paused_until = null`;
});

afterAll(async () => {
  await sql?.end();
  await project?.close();
});

const phone = (): string => `+9197${String(randomBytes(4).readUInt32BE() % 1e8).padStart(8, "0")}`;

/** As whoever wants to send does it inside the database. */
async function queue(type: string, recipient: string, fields: Record<string, unknown> = {}) {
  const [row] = await sql<{ id: string }[]>`
    insert into public.communications ${sql({
      type,
      recipient,
      status: "queued",
      content: "They are 5000.",
      subject: type === "email" ? "Fees" : null,
      ...fields,
    })} returning id`;
  return row!.id;
}

const templated = {
  channel_specific_data: { template: { name: "hello", language: "en", parameters: ["Asha"] } },
};

describe("a message", () => {
  it("[D0-061] [D0-062] goes out as e-mail, is read, and tells its lead's timeline so", async () => {
    const [lead] = await sql<{ id: string }[]>`
      insert into public.leads (name) values ('Asha') returning id`;
    const id = await queue("email", "asha@example.com", { lead_id: lead!.id });
    await becomes(id, { status: "sent", error: null });
    const [mail, ...more] = await carriedAbout("sendgrid", id);
    expect(more).toEqual([]);
    expect(mail).toMatchObject({ to: "asha@example.com", text: "They are 5000." });
    expect((await rowOf(id)).provider_message_id).toBe(mail?.id);
    await report("sendgrid", id, {
      events: [{ event: "open" }, { event: "delivered" }, { event: "processed" }],
    });
    await becomes(id, { status: "read" });
    expect(
      await sql`select type from public.activities where source_id = ${id} order by type`,
    ).toEqual([{ type: "email_opened" }, { type: "email_sent" }]);
  });

  it("[D4-101] goes out as SMS, and who answers STOP is not written to again", async () => {
    const number = phone();
    const id = await queue("sms", number);
    await becomes(id, { status: "sent" });
    await report("twilio", id, { status: "delivered" });
    await becomes(id, { status: "delivered" });
    await control("twilio/inbound", { from: number, text: "Stop" });
    await expect
      .poll(
        () => sql`select 1 as there from public.communications where sender = ${number}`,
        patience,
      )
      .toHaveLength(1);
    const second = await queue("sms", number);
    await becomes(second, { status: "failed", error: "contact_refused: opted_out" });
    expect(await carriedAbout("twilio", second)).toEqual([]);
  });

  it("goes out by WhatsApp: a template first, words of our own once they write, and their files are kept", async () => {
    const number = phone();
    const closed = await queue("whatsapp", number);
    await becomes(closed, { status: "failed", error: "whatsapp_window_closed" });
    const template = await queue("whatsapp", number, templated);
    await becomes(template, { status: "sent" });
    await control("whatsapp/inbound", {
      from: number.slice(1),
      text: "My marks",
      media_id: "1234567890",
    });
    await expect
      .poll(
        () => sql`
          select c.content, c.attachments, a.mime_type, o.name is not null as stored
          from public.communications c
          join public.communication_attachments a on a.communication_id = c.id
          left join storage.objects o on o.bucket_id = 'messages' and o.name = a.path
          where c.sender = ${number}`,
        patience,
      )
      .toEqual([
        { content: "My marks", attachments: ["image"], mime_type: "image/png", stored: true },
      ]);
    const words = await queue("whatsapp", number);
    await becomes(words, { status: "sent" });
    await report("whatsapp", words, { status: "read" });
    await becomes(words, { status: "read" });
  });
});

describe("a provider", () => {
  it.each([
    ["email", "sendgrid", (): string => "asha@example.com", {}],
    ["sms", "twilio", phone, {}],
    ["whatsapp", "whatsapp", phone, templated],
  ] as const)(
    "that takes %s and hangs up is not asked again, and its report settles it",
    async (type, provider, to, fields) => {
      await control("faults", { provider, kind: "reset" });
      const id = await queue(type, to(), fields);
      await becomes(id, { status: "sending", error: "outcome_unknown" });
      expect(await carriedAbout(provider, id)).toHaveLength(1);
      await report(provider, id, { status: "delivered", events: [{ event: "delivered" }] });
      await becomes(id, { status: "delivered", error: null });
    },
  );

  it("that is busy is asked again, and takes it once", async () => {
    await control("faults", { provider: "twilio", kind: "rate_limit", retry_after_s: 1 });
    const id = await queue("sms", phone());
    await becomes(id, { status: "sent", error: null });
    expect(await carriedAbout("twilio", id)).toHaveLength(1);
  });

  it("is not asked about a message that cannot go, which says why", async () => {
    const id = await queue("sms", "+1");
    await becomes(id, { status: "failed", error: "recipient_missing" });
    const second = await queue("email", "asha@example.com", { subject: null });
    await becomes(second, { status: "failed", error: "message_is_empty" });
  });
});

describe("a worker that died", () => {
  it("between call and answer leaves a message that is not sent again", async () => {
    // Begun by a worker of which nothing was heard since.
    const [row] = await sql<{ id: string }[]>`
      insert into public.communications (type, status, recipient, content, subject, scheduled_at)
      values ('email', 'scheduled', 'asha@example.com', 'x', 'x', now() + interval '1 hour') returning id`;
    const id = row!.id;
    await sql`update public.communications set scheduled_at = null, status = 'sending', dispatched_at = now() where id = ${id}`;
    await sql`update private.jobs set run_at = now() where dedupe_key = ${id}`;
    await sql`select private.enqueue('send_message', ${sql.json({ communication_id: id })}, p_dedupe_key => 'again')`;
    await becomes(id, { status: "sending", error: "outcome_unknown" });
    expect(await carriedAbout("sendgrid", id)).toEqual([]);
  });
});

describe("reports", () => {
  it("end in one state, in whatever order and however often they come", async () => {
    const minute = (n: number) => new Date(Date.UTC(2026, 0, 1, 10, n)).toISOString();
    const reportOf = fc.oneof(
      fc.record({
        status: fc.constantFrom("sent", "delivered", "read", "failed", "bounced"),
        at: fc.integer({ min: 0, max: 9 }).map(minute),
        error: fc.constantFrom("a", "b"),
        is_click: fc.boolean(),
      }),
      fc.record({
        at: fc.constant(minute(3)),
        withdrawn: fc.constantFrom("marketing", "all"),
        source: fc.constant("complaint"),
      }),
    );
    const ending = async (reports: object[], cut: number) => {
      const [row] = await sql<{ id: string }[]>`
        insert into public.communications (type, provider, status, recipient, content, subject)
        values ('email', 'sendgrid', 'sent', ${`${randomBytes(6).toString("hex")}@example.com`}, 'x', 'x') returning id`;
      const id = row!.id;
      await sql`update public.communications set sent_at = ${minute(0)} where id = ${id}`;
      const named = reports.map((one) => ({ ...one, id }));
      for (const part of [named.slice(0, cut), named.slice(cut)]) {
        await sql`select private.message_report('sendgrid', ${sql.json(part as never)})`;
      }
      const [end] = await sql`
        select c.status, c.sent_at, c.delivered_at, c.read_at, c.clicked_at, c.failed_at, c.opened, c.error,
          (select g.verdict from private.contact_gate('email', c.recipient, 'all') g) as gate
        from public.communications c where c.id = ${id}`;
      return end;
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(reportOf, { minLength: 1, maxLength: 6 }).chain((reports) =>
          fc.tuple(
            fc.constant(reports),
            fc.shuffledSubarray([...reports, ...reports.slice(0, 3)], {
              minLength: Math.min(reports.length * 2, reports.length + 3),
            }),
            fc.nat({ max: 6 }),
          ),
        ),
        async ([reports, shuffled, cut]) => {
          expect(await ending(shuffled, cut)).toEqual(await ending(reports, reports.length));
        },
      ),
      { numRuns: 60 },
    );
  });
});
