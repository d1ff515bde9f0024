// Presence: who is here, under the policies on realtime.messages where the channel is private.

import { setTimeout as sleep } from "node:timers/promises";
import type { RealtimeChannel, SupabaseClient } from "@supabase/supabase-js";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  inbox,
  joined,
  type RealtimeProject,
  startRealtimeProject,
  systemMessages,
} from "./support/realtime-project.ts";

const ANNA = "11111111-1111-4111-8111-111111111111";
const BEN = "22222222-2222-4222-8222-222222222222";

let project: RealtimeProject;

beforeAll(async () => {
  project = await startRealtimeProject();
  await project.sql.unsafe(`
    create policy "All hear the office" on realtime.messages
      for select to authenticated
      using ((select realtime.topic()) = 'office' and extension = 'broadcast');
    create policy "Colleagues see who is there" on realtime.messages
      for select to authenticated
      using ((select realtime.topic()) = 'office' and extension = 'presence'
        and (select auth.jwt()) ->> 'colleague' = 'true');
    create policy "Anna shows herself" on realtime.messages
      for insert to authenticated
      with check ((select realtime.topic()) = 'office' and extension = 'presence'
        and (select auth.uid()) = '${ANNA}');
  `);
}, 60_000);

afterEach(() => project.disconnectAll());
afterAll(() => project?.close());

interface Happening {
  event: string;
  key: string;
}

async function enter(client: SupabaseClient, topic: string, key = "", isPrivate = false) {
  const happenings = inbox<Happening>();
  const channel = client.channel(topic, { config: { private: isPrivate, presence: { key } } });
  channel
    .on("presence", { event: "join" }, ({ event, key }) => happenings.push({ event, key }))
    .on("presence", { event: "leave" }, ({ event, key }) => happenings.push({ event, key }));
  await joined(channel);
  return { channel, happenings };
}

/** The state without the references that change with every message. */
function present(channel: RealtimeChannel) {
  return Object.fromEntries(
    Object.entries(channel.presenceState<Record<string, unknown>>()).map(([key, metas]) => [
      key,
      metas.map(({ presence_ref, ...meta }) => meta),
    ]),
  );
}

describe.each(["1.0.0", "2.0.0"])("Presence, vsn %s", (vsn) => {
  test("tells who is here, who comes, changes and goes", async () => {
    const anna = await enter(await project.connect(ANNA, { vsn }), "lobby", "anna");
    expect(await anna.channel.track({ mood: "fresh" })).toBe("ok");

    const ben = await enter(await project.connect(BEN, { vsn }), "lobby", "ben");
    await ben.happenings.atLeast(1);
    expect(present(ben.channel)).toEqual({ anna: [{ mood: "fresh" }] });

    await ben.channel.track({ mood: "late" });
    await vi.waitFor(() =>
      expect(present(anna.channel)).toEqual({ anna: [{ mood: "fresh" }], ben: [{ mood: "late" }] }),
    );

    // A change is told as coming and going at once; who joins afterwards sees the outcome.
    ben.happenings.received.length = 0;
    await anna.channel.track({ mood: "busy" });
    expect(await ben.happenings.atLeast(2)).toEqual([
      { event: "join", key: "anna" },
      { event: "leave", key: "anna" },
    ]);
    const carl = await enter(await project.connect(BEN, { vsn }), "lobby", "carl");
    await carl.happenings.atLeast(2);
    expect(present(carl.channel)).toEqual({ anna: [{ mood: "busy" }], ben: [{ mood: "late" }] });

    expect(await ben.channel.untrack()).toBe("ok");
    await vi.waitFor(() => expect(present(carl.channel)).toEqual({ anna: [{ mood: "busy" }] }));
    expect(anna.happenings.received.at(-1)).toEqual({ event: "leave", key: "ben" });
  });

  test("ends with the connection", async () => {
    const leaving = await project.connect(ANNA, { vsn });
    const anna = await enter(leaving, "lobby", "anna");
    await anna.channel.track({});
    const ben = await enter(await project.connect(BEN, { vsn }), "lobby", "ben");
    await ben.happenings.atLeast(1);
    await leaving.realtime.disconnect();
    await vi.waitFor(() => expect(present(ben.channel)).toEqual({}));
  });

  test("counts every connection of a key", async () => {
    const phone = await project.connect(ANNA, { vsn });
    const first = await enter(phone, "lobby", "anna");
    const second = await enter(await project.connect(ANNA, { vsn }), "lobby", "anna");
    await first.channel.track({ on: "phone" });
    await second.channel.track({ on: "laptop" });
    const ben = await enter(await project.connect(BEN, { vsn }), "lobby");
    await vi.waitFor(() =>
      expect(present(ben.channel).anna).toEqual([{ on: "phone" }, { on: "laptop" }]),
    );
    await phone.realtime.disconnect();
    await vi.waitFor(() => expect(present(ben.channel)).toEqual({ anna: [{ on: "laptop" }] }));
  });
});

describe("Presence on a private channel", () => {
  const colleague = { token: { claims: { colleague: "true" } } };

  test("is seen by those who may read it", async () => {
    const anna = await enter(await project.connect(ANNA, colleague), "office", "anna", true);
    const ben = await enter(await project.connect(BEN, colleague), "office", "ben", true);
    expect(await anna.channel.track({ desk: 4 })).toBe("ok");
    await vi.waitFor(() => expect(present(ben.channel)).toEqual({ anna: [{ desk: 4 }] }));
  });

  test("is hidden from those who may only hear broadcasts", async () => {
    const anna = await enter(await project.connect(ANNA, colleague), "office", "anna", true);
    const guest = await enter(await project.connect(BEN), "office", "ben", true);
    await anna.channel.track({ desk: 4 });
    await sleep(150);
    expect(present(guest.channel)).toEqual({});
    expect(guest.happenings.received).toEqual([]);
  });

  test("cannot be claimed without the right to write it", async () => {
    const ben = await enter(await project.connect(BEN, colleague), "office", "ben", true);
    expect(await ben.channel.track({ desk: 5 })).toBe("error");
    expect(present(ben.channel)).toEqual({});
  });
});

describe("A client", () => {
  test("that changes its presence too often loses the channel", async () => {
    const { channel } = await enter(await project.connect(ANNA), "lobby", "anna");
    const system = systemMessages(channel);
    for (let index = 0; index < 5; index++) await channel.track({ index });
    void channel.track({ index: 6 });
    expect(await system.atLeast(1)).toMatchObject([
      { status: "error", message: "Client presence rate limit exceeded" },
    ]);
  });

  test("without a key of its own gets one", async () => {
    const { channel } = await enter(await project.connect(ANNA), "lobby");
    await channel.track({ here: true });
    await vi.waitFor(() => expect(Object.values(present(channel))).toEqual([[{ here: true }]]));
    expect(Object.keys(present(channel))[0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("that listens to nothing is told who is here once it tracks itself", async () => {
    const anna = await enter(await project.connect(ANNA), "lobby", "anna");
    await anna.channel.track({});
    const ben = (await project.connect(BEN)).channel("lobby");
    await joined(ben);
    expect(present(ben)).toEqual({});
    await ben.track({});
    await vi.waitFor(() => expect(Object.keys(present(ben))).toContain("anna"));
  });

  test("can track something only if it is an object", async () => {
    const { channel } = await enter(await project.connect(ANNA), "lobby");
    expect(await channel.track("here" as never)).toBe("error");
  });
});
