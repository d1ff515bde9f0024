/** Files are removed through Storage; a Storage that keeps them fails the job, and the next run removes them. */
import { afterAll, expect, it } from "vitest";
import { connect } from "../../supabase/functions/_shared/db.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createStorage, type Storage } from "../../supabase/functions/_shared/storage.ts";
import { retentionHandlers } from "../../supabase/functions/worker/handlers/retention.ts";
import { createTeam, createUser, expectData, sql, stack, unique } from "../helpers/index.ts";

const db = connect(stack().dbUrl, { name: "files" });

afterAll(() => db.close());

async function remove(storage: Storage, noteIds: string[]): Promise<void> {
  const job = {
    id: noteIds[0]!,
    kind: "files.remove",
    payload: { note_ids: noteIds },
    attempts: 1,
    max_attempts: 20,
    lease: noteIds[0]!,
    request_id: null,
  };
  const handler = retentionHandlers(db, storage)["files.remove"]!;
  await handler({ job, signal: new AbortController().signal, log: createLogger({}, () => {}) });
}

it("leaves files of a note that is there, and keeps at those of one that is not", async () => {
  const person = await createUser({ team: await createTeam() });
  const lead = expectData(
    await person.client
      .from("leads")
      .insert({ name: unique("Files") })
      .select("id")
      .single(),
  );
  const note = expectData(
    await person.client
      .from("notes")
      .insert({ lead_id: lead.id, content: "Files" })
      .select("id")
      .single(),
  );
  for (const name of ["one.txt", "two.txt"]) {
    const { error } = await person.client.storage
      .from("attachments")
      .upload(`notes/${note.id}/${name}`, new Blob(["x"], { type: "text/plain" }), {
        contentType: "text/plain",
      });
    expect(error).toBeNull();
  }
  const left = async () => {
    const [row] = await sql()<{ count: number }[]>`
      select count(*)::int from storage.objects where name like ${`notes/${note.id}/%`}`;
    return row!.count;
  };
  const real = createStorage({ url: stack().url, key: stack().secretKey });
  await remove(real, [note.id]);
  expect(await left()).toBe(2);

  await sql()`delete from public.notes where id = ${note.id}`;
  const idle: Storage = { ...real, remove: async () => {} };
  await expect(remove(idle, [note.id])).rejects.toThrow(/keeps files/);
  expect(await left()).toBe(2);
  await remove(real, [note.id]);
  expect(await left()).toBe(0);
});
