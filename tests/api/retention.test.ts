/** What was deleted long enough ago goes, with its files, by the worker. */
import { beforeAll, expect, it } from "vitest";
import { createTeam, createUser, expectData, type Person, sql, unique } from "../helpers/index.ts";

let counselor: Person;

beforeAll(async () => {
  counselor = await createUser({ team: await createTeam() });
});

async function deletedNote(daysAgo: number): Promise<{ id: string; path: string }> {
  const lead = expectData(
    await counselor.client
      .from("leads")
      .insert({ name: unique("Retention") })
      .select("id")
      .single(),
  );
  const note = expectData(
    await counselor.client
      .from("notes")
      .insert({ lead_id: lead.id, content: "Kept for a while" })
      .select("id")
      .single(),
  );
  const path = `notes/${note.id}/file.txt`;
  const { error } = await counselor.client.storage
    .from("attachments")
    .upload(path, new Blob(["x"], { type: "text/plain" }), { contentType: "text/plain" });
  expect(error).toBeNull();
  await sql()`
    update public.notes set deleted_at = now() - make_interval(days => ${daysAgo}) where id = ${note.id}`;
  return { id: note.id, path };
}

it("[D0-082] deleted rows are kept for retention.deleted_days", { timeout: 60_000 }, async () => {
  const [old, fresh] = [await deletedNote(91), await deletedNote(89)];
  const left = async () => {
    const notes = await sql()<{ id: string }[]>`
      select id from public.notes where id in ${sql()([old.id, fresh.id])}`;
    const files = await sql()<{ name: string }[]>`
      select name from storage.objects where bucket_id = 'attachments' and name in ${sql()([old.path, fresh.path])}`;
    return [...notes.map((note) => note.id), ...files.map((file) => file.name)];
  };
  expect(await left()).toHaveLength(4);
  await sql()`select private.enqueue('retention.purge')`;
  await expect.poll(left, { timeout: 40_000 }).toEqual([fresh.id, fresh.path]);
});
