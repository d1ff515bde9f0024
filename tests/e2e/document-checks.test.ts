/** Checks of files when Storage fails, and files that no document has. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../../supabase/functions/_shared/db.ts";
import { createLogger } from "../../supabase/functions/_shared/log.ts";
import { createStorage, type Storage } from "../../supabase/functions/_shared/storage.ts";
import { documentHandlers } from "../../supabase/functions/worker/handlers/documents.ts";
import { pdf } from "../helpers/files.ts";
import { addLead, createUser, type Person, service, sql, stack } from "../helpers/index.ts";

const db = connect(stack().dbUrl, { name: "document-checks" });
const real = createStorage({ url: stack().url, key: stack().secretKey });
const silent: Storage = {
  ...real,
  read: async () => {
    throw new Error("Storage is silent");
  },
};

let person: Person;
let leadId: string;

beforeAll(async () => {
  person = await createUser();
  leadId = (await addLead(person)).id;
});

afterAll(() => db.close());

/** A version whose file is to be checked, by nobody but the test. */
async function waiting(): Promise<{ id: string; path: string }> {
  const [row] = await sql()<{ id: string; path: string }[]>`
    with d as (
      insert into public.documents (lead_id, uploaded_by, document_name, document_type)
      values (${leadId}, ${person.id}, 'Waiting', 'other') returning id
    )
    insert into public.document_versions (document_id, file_name, mime_type, size_bytes, state, uploaded_by)
    select id, 'x.pdf', 'application/pdf', 1, 'checking', ${person.id} from d returning id, storage_path as path`;
  return row!;
}

async function run(
  kind: string,
  storage: Storage,
  payload: object,
  attempts = 1,
  isStopping = false,
) {
  const job = {
    id: kind,
    kind,
    payload: { ...payload },
    attempts,
    max_attempts: 20,
    lease: kind,
    request_id: null,
  };
  const signal = isStopping ? AbortSignal.abort() : new AbortController().signal;
  const handler = documentHandlers(db, storage)[kind]!;
  const apply = await handler({ job, signal, log: createLogger({}, () => {}) });
  if (apply) await db.asService(apply);
}

const stateOf = async (id: string) => {
  const [row] = await sql()`select state, fault from public.document_versions where id = ${id}`;
  return row;
};

it("tries again while Storage is silent, and at last asks for the file anew", async () => {
  const { id } = await waiting();
  const check = (attempts: number, isStopping = false) =>
    run("document.check", silent, { version_id: id }, attempts, isStopping);
  await expect(check(19)).rejects.toThrow("silent");
  await expect(check(20, true)).rejects.toThrow();
  expect(await stateOf(id)).toEqual({ state: "checking", fault: null });
  await check(20);
  expect(await stateOf(id)).toEqual({ state: "refused", fault: "document_unreadable" });
});

it("refuses a file that went away, and finds nothing to check of one that was checked", async () => {
  const { id } = await waiting();
  await run("document.check", real, { version_id: id });
  expect(await stateOf(id)).toEqual({ state: "refused", fault: "document_file_missing" });
  await run("document.check", silent, { version_id: id });
  expect(await stateOf(id)).toEqual({ state: "refused", fault: "document_file_missing" });
});

it("removes files that no version has, and no others", async () => {
  const { id, path } = await waiting();
  const stray = `${crypto.randomUUID()}/${crypto.randomUUID()}`;
  for (const name of [path, stray]) {
    const { error } = await service()
      .storage.from("documents")
      .upload(name, new Uint8Array(pdf()), { contentType: "application/pdf" });
    expect(error).toBeNull();
  }
  await run("documents.strays", real, {});
  const left = await sql()<{ name: string }[]>`
    select name from storage.objects where bucket_id = 'documents' and name in ${sql()([path, stray])}`;
  expect(left.map(({ name }) => name)).toEqual([path]);
  await sql()`delete from public.document_versions where id = ${id}`;
  await run("documents.strays", real, {});
  const [gone] = await sql()`select count(*)::int from storage.objects where name = ${path}`;
  expect(gone?.count).toBe(0);
});
