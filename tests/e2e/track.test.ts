/** The links of a campaign over HTTP: opened, followed, and no more of it. */
import { beforeAll, expect, it } from "vitest";
import { sql, stack, unique, uniqueEmail } from "../helpers/index.ts";

const source = unique("Tracked");
const email = uniqueEmail();
let message: { id: string; content: string; data: { unsubscribe_url: string } };

const ask = (url: string, init: RequestInit = {}) => fetch(url, { redirect: "manual", ...init });

beforeAll(async () => {
  await sql()`insert into public.leads (name, email, source) values ('Tracked', ${email}, ${source})`;
  const [campaign] = await sql()<{ id: string }[]>`
    insert into public.campaigns (name, subject, content, target_criteria)
    values ('Tracked', 'Hello', '<p><a href="https://a.test/?x=1&amp;y=2">Read</a></p>', ${sql().json({ source })})
    returning id`;
  await sql()`update public.campaigns set status = 'active' where id = ${campaign!.id}`;
  await sql()`select private.campaign_step(${campaign!.id})`;
  [message] = (await sql()`
    select id, content, channel_specific_data as data from public.communications where campaign_id = ${campaign!.id}`) as unknown as [
    typeof message,
  ];
});

const state = async () =>
  (
    await sql()`
      select opened, clicked_at is not null as clicked from public.communications where id = ${message.id}`
  )[0];

it("opens, leads on and unsubscribes, once each and only as signed", async () => {
  const link = (kind: string) =>
    new RegExp(`"(${stack().url}/functions/v1/track/${kind}/[A-Za-z0-9_-]{46})"`).exec(
      message.content,
    )![1]!;
  const opened = await ask(link("o"));
  expect([opened.status, opened.headers.get("content-type")]).toEqual([200, "image/gif"]);
  expect(await state()).toEqual({ opened: true, clicked: false });
  const followed = await ask(link("c"));
  expect([followed.status, followed.headers.get("location")]).toEqual([
    302,
    "https://a.test/?x=1&y=2",
  ]);
  expect(await state()).toEqual({ opened: true, clicked: true });
  expect((await ask(link("c").replace("/c/", "/u/"), { method: "POST" })).status).toBe(404);
  const denied = () =>
    sql()`select verdict, reason from private.contact_gate('email', ${email}, 'marketing')`;
  expect(await denied()).not.toMatchObject([{ verdict: "deny" }]);
  const url = message.data.unsubscribe_url;
  const body = new URLSearchParams({ "List-Unsubscribe": "One-Click" });
  expect((await ask(url, { method: "POST", body })).status).toBe(200);
  expect(await denied()).toMatchObject([{ verdict: "deny", reason: "opted_out" }]);
});
