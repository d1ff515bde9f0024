import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  inbox,
  joined,
  type RealtimeProject,
  startRealtimeProject,
  tokenFor,
} from "./support/realtime-project.ts";

const ANNA = "11111111-1111-4111-8111-111111111111";

let project: RealtimeProject;

beforeAll(async () => {
  project = await startRealtimeProject("embedded");
  await project.sql.unsafe(`
    create policy "Users read their own topic"
      on realtime.messages for select to authenticated
      using ((select realtime.topic()) = 'user:' || (select auth.uid())::text);
  `);
}, 60_000);

afterAll(() => project?.close());

describe("Broadcast from the database", () => {
  test.each(["1.0.0", "2.0.0"])("reaches the topic's subscriber, vsn %s", async (vsn) => {
    const client = await project.connect(await tokenFor(ANNA), { vsn });
    const messages = inbox();
    const channel = client.channel(`user:${ANNA}`, { config: { private: true } });
    channel.on("broadcast", { event: "*" }, (message) => messages.push(message));
    await joined(channel);

    await project.sql`select realtime.send('{"n": 1}'::jsonb, 'hello', ${`user:${ANNA}`}, true)`;

    const [message] = await messages.atLeast(1);
    expect(message).toMatchObject({ type: "broadcast", event: "hello", payload: { n: 1 } });
    await client.removeAllChannels();
  });
});
