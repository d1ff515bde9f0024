// `npm run demo`: an enquiry from a Meta lead ad, from the signed delivery to the counselor's screen,
// and what happens to a forged one and to one that comes fifty times. Exit code 1 if anything fails.

import { type Inbox, openInbox } from "./demo/inbox.ts";
import { connectMeta, type MetaControl, type SimulatedDelivery } from "./demo/meta.ts";
import { type Ears, leave, listen, type Person, signIn } from "./demo/people.ts";
import { createReport } from "./demo/report.ts";
import { findStack, NotRunning } from "./demo/stack.ts";

interface FunnelStage {
  stage: string;
  count: number;
  percentage: number;
  drop_off_rate: number;
}

const report = createReport((line) => process.stdout.write(`${line}\n`));
const copies = 50;

async function funnelOf(person: Person): Promise<FunnelStage[]> {
  const { data, error } = await person.client.rpc("analytics_funnel");
  if (error) throw new Error(`analytics_funnel(): ${error.message}`);
  return data as FunnelStage[];
}

/** Nobody has this address or number yet, so that each run makes leads of its own. */
function enquiry(name: string) {
  const now = String(Date.now());
  return {
    full_name: name,
    email: `${name.toLowerCase().replaceAll(" ", ".")}.${now}@example.com`,
    phone_number: `+911${now.slice(-9)}`,
    city: "Kochi",
    "which_course_are_you_interested_in?": "Fellowship in Diabetology",
    years_of_practice: "4",
  };
}

async function oneLead(meta: MetaControl, inbox: Inbox, admin: Person, counselors: Person[]) {
  report.heading("1. A person fills in the form of an ad");
  const before = await funnelOf(admin);
  const ears = await listen(counselors);
  report.line(`Listening over Realtime: ${counselors.map((person) => person.email).join(", ")}`);

  const answers = enquiry("Kavya Srinivasan");
  const { lead } = await meta.createLead(answers);
  report.startClock();
  const answered = meta.deliver(lead.id).then((delivery) => {
    const answer = delivery.attempts.at(-1);
    report.step("Meta's signed delivery was answered", {
      leadgen_id: lead.id,
      answer: `${answer?.status} ${answer?.response} after ${answer?.durationMs} ms`,
    });
    return delivery;
  });
  const stored = await inbox.waitFor(lead.id, () => true, "Storing the delivery");
  report.step("The inbox row", {
    id: stored.id,
    event_id: stored.event_id,
    state: stored.state,
    bytes: stored.bytes,
    received_at: stored.received_at.toISOString(),
  });
  const delivery = await answered;

  const told = await ears.waitForLeadOf(answers.email);
  const { person: counselor, notificationId, leadId } = told;
  report.step(
    `The notification reached ${counselor.email} over Realtime`,
    { notification: notificationId, lead: leadId },
    told.receivedAt,
  );

  // From here on with the counselor's own rights: they see it because it is theirs.
  const [{ data: row, error }, { data: notification }] = await Promise.all([
    counselor.client
      .from("leads")
      .select("lead_id, name, email, phone, course, source, status, assigned_to")
      .eq("id", leadId)
      .single(),
    counselor.client
      .from("notifications")
      .select("title, message")
      .eq("id", notificationId)
      .single(),
  ]);
  if (error) throw new Error(`The counselor cannot read the lead: ${error.message}`);
  report.step("The lead, read by the counselor", {
    number: row.lead_id,
    name: row.name,
    email: row.email,
    phone: row.phone,
    course: row.course,
    source: row.source,
    status: row.status,
    assigned_to: `${counselor.name} <${counselor.email}>`,
  });
  report.step("The notification, read by the counselor", {
    title: notification?.title,
    message: notification?.message,
  });
  const processed = await inbox.waitFor(
    lead.id,
    ({ state }) => state === "processed",
    "Processing",
  );
  report.step("The inbox row is finished", {
    state: processed.state,
    attempts: processed.attempts,
  });

  const after = await funnelOf(admin);
  report.table(
    ["funnel", "before", "after", "percentage", "drop-off"],
    after.map((stage, i) => [
      stage.stage,
      before[i]?.count ?? 0,
      stage.count,
      `${stage.percentage.toFixed(1)} %`,
      `${stage.drop_off_rate.toFixed(1)} %`,
    ]),
  );
  report.check(delivery.attempts.at(-1)?.status === 200, "the delivery was answered with 200");
  report.check(processed.state === "processed", "the inbox row was stored and processed");
  report.check(
    row.assigned_to === counselor.id,
    "the lead has an owner, and that is the one who was notified",
  );
  report.check((await ears.countOf(leadId)) === 1, "one notification was sent, to one person");
  report.check(
    (after[0]?.count ?? 0) > (before[0]?.count ?? 0),
    "the funnel counts the lead that is new",
  );
  return { lead, delivery, ears };
}

async function forged(original: SimulatedDelivery, leadgenId: string, inbox: Inbox) {
  report.heading("2. Somebody else sends a delivery");
  // Another lead under the signature of the first one.
  const forgedId = String(BigInt(leadgenId) + 1_000_001n);
  const body = original.body.replaceAll(leadgenId, forgedId);
  const { "x-hub-signature-256": _, ...unsigned } = original.headers;
  report.startClock();
  for (const [what, headers] of [
    ["with the signature of another body", original.headers],
    ["without a signature", unsigned],
  ] as const) {
    const response = await fetch(original.url, { method: "POST", headers, body });
    report.step(`Sent ${what}: ${response.status}`, {
      answer: (await response.text()).slice(0, 200),
    });
    report.check(response.status === 401, `a delivery ${what} is refused with 401`);
  }
  report.check((await inbox.countOf(forgedId)) === 0, "nothing was stored");
}

async function fiftyTimes(meta: MetaControl, inbox: Inbox, admin: Person, ears: Ears) {
  report.heading(`3. The same delivery, ${copies} times at once`);
  const answers = enquiry("Naveen Chandran");
  const { lead } = await meta.createLead(answers);
  await meta.multiplyNextDelivery(copies);
  report.startClock();
  await meta.deliver(lead.id);
  const attempts = (await meta.deliveriesOf(lead.id)).flatMap((delivery) => delivery.attempts);
  const durations = attempts.map((attempt) => attempt.durationMs).sort((a, b) => a - b);
  const storedBy = attempts.filter((attempt) => /"stored":1\b/.test(attempt.response)).length;
  report.step(`${attempts.length} deliveries were answered`, {
    statuses: [...new Set(attempts.map((attempt) => attempt.status))].join(", "),
    fastest: `${durations[0]} ms`,
    slowest: `${durations.at(-1)} ms`,
    "stored by": `${storedBy} of them`,
  });
  const row = await inbox.waitFor(lead.id, ({ state }) => state === "processed", "Processing");
  report.step("The inbox row is finished", { state: row.state, attempts: row.attempts });
  const { data: leads, error } = await admin.client
    .from("leads")
    .select("id, lead_id, name")
    .eq("email", answers.email);
  if (error) throw new Error(`The lead cannot be read: ${error.message}`);
  report.step("Leads with this address", { leads: leads.map((found) => found.lead_id).join(", ") });
  const stored = await inbox.countOf(lead.id);
  report.check(
    attempts.length === copies && attempts.every((attempt) => attempt.status === 200),
    `all ${copies} were answered with 200`,
  );
  report.check(storedBy === 1 && stored === 1, "one inbox row was stored");
  report.check(leads.length === 1, "one lead was made");
  const told = await ears.waitForLeadOf(answers.email);
  report.check((await ears.countOf(told.leadId)) === 1, "one notification was sent");
}

async function main() {
  const stack = await findStack();
  report.line(`Stack: ${stack.url}`);
  const meta = connectMeta(stack.simulatorUrl);
  const inbox = openInbox(stack.dbUrl);
  const people: Person[] = [];
  try {
    for (const name of ["admin", "counselor.a1", "counselor.a2", "counselor.b1"]) {
      people.push(await signIn(stack, `${name}@intake.test`));
    }
    const [admin, ...counselors] = people;
    if (!admin) throw new Error("nobody signed in");
    await meta.createForm();
    report.startClock();
    const handshake = await meta.verify();
    report.step(
      `Meta verified the webhook's address (${handshake.status}); a first call starts the function`,
    );
    report.check(handshake.ok, "the webhook gives the challenge back");

    const { lead, delivery, ears } = await oneLead(meta, inbox, admin, counselors);
    await forged(delivery, lead.id, inbox);
    await fiftyTimes(meta, inbox, admin, ears);
  } finally {
    await Promise.allSettled([leave(people), inbox.close()]);
  }
}

try {
  await main();
  report.heading(
    report.failed === 0
      ? `All ${report.held} checks hold`
      : `${report.failed} of ${report.failed + report.held} checks do not hold`,
  );
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    error instanceof NotRunning ? `${message}\n` : `\nThe demo stopped: ${message}\n`,
  );
  process.exitCode = 1;
}
// The Realtime client's timers would hold the process for ten seconds more.
process.exit(report.failed > 0 ? 1 : process.exitCode);
