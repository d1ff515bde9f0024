/** Documents as people hand them in, read, verify and delete them; with real files through Storage and the worker. */
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type DocumentUpload,
  type DocumentVersion,
  documentFileSchema,
  documentSchema,
  documentUploadSchema,
  documentVersionSchema,
} from "../../packages/types/src/documents.ts";
import { docx, pdf, png, program } from "../helpers/files.ts";
import {
  addLead,
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  sql,
  stack,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;
let stranger: Person;
let admin: Person;
let leadId: string;
let studentId: string;

const types = {
  pdf: "application/pdf",
  png: "image/png",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
};

beforeAll(async () => {
  const team = await createTeam();
  [manager, counselor, stranger, admin] = await Promise.all([
    createUser({ role: "manager", team, fullName: "Mala Manager" }),
    createUser({ team, fullName: "Chetan Kumar" }),
    createUser({ team: await createTeam() }),
    createUser({ role: "admin" }),
  ]);
  leadId = (await addLead(counselor, { name: unique("Papers") })).id;
  const student = await counselor.client
    .from("students")
    .insert({ lead_id: leadId, name: unique("Papers") })
    .select("id")
    .single();
  studentId = expectData(student).id;
});

interface Given {
  file?: Buffer;
  type?: string;
  name?: string;
  person?: Person;
  fields?: Record<string, unknown>;
}

async function begin({ file = pdf(), type = types.pdf, name = "scan.pdf", ...given }: Given) {
  const { data, error } = await (given.person ?? counselor).client.rpc("document_begin_upload", {
    p_file_name: name,
    p_mime_type: type,
    p_size_bytes: Math.max(1, file.length),
    ...(given.fields ?? { p_student_id: studentId, p_document_type: "certificate" }),
  });
  expect(error).toBeNull();
  return documentUploadSchema.parse(data);
}

const put = ({ file = pdf(), type = types.pdf, person = counselor }: Given, path: string) =>
  person.client.storage
    .from("documents")
    .upload(path, new Blob([new Uint8Array(file)], { type }), { contentType: type });

/** Waits for the worker's verdict. */
async function verdict(upload: DocumentUpload, person = counselor): Promise<DocumentVersion> {
  const ask = async () =>
    documentVersionSchema.parse(
      expectData(
        await person.client
          .from("document_versions")
          .select()
          .eq("document_id", upload.document_id)
          .eq("version_no", upload.version_no)
          .single(),
      ),
    );
  await expect.poll(async () => (await ask()).state, { timeout: 20_000 }).not.toBe("checking");
  return ask();
}

async function send(given: Given): Promise<DocumentUpload> {
  const upload = await begin(given);
  expect((await put(given, upload.path)).error).toBeNull();
  const completed = await (given.person ?? counselor).client.rpc("document_complete_upload", {
    p_document_id: upload.document_id,
    p_version_no: upload.version_no,
  });
  expect(documentVersionSchema.parse(completed.data).version_no).toBe(upload.version_no);
  return upload;
}

/** As people do it: the worker looks into the file. */
async function handIn(given: Given = {}) {
  const upload = await send(given);
  return { ...upload, version: await verdict(upload, given.person) };
}

/** The same without the wait, where it is not about what is in the file. */
async function file(given: Given = {}): Promise<DocumentUpload> {
  const upload = await send(given);
  await sql()`
    select private.document_checked(v.id, v.size_bytes, repeat('0', 64))
    from public.document_versions v where v.storage_path = ${upload.path}`;
  return upload;
}

async function read(id: string, person = counselor) {
  return documentSchema.parse(
    expectData(await person.client.from("documents").select().eq("id", id).single()),
  );
}

const removed = async (path: string) => {
  const rows =
    await sql()`select from storage.objects where bucket_id = 'documents' and name = ${path}`;
  return rows.length === 0;
};

describe("documents", () => {
  it("[D0-016] [D0-069] are uploaded to Storage with every field of the document", async () => {
    const file = pdf("Medical certificate");
    const { document_id, path } = await handIn({
      file,
      name: "Medical Certificate.pdf",
      fields: {
        p_document_name: "Medical Certificate.pdf",
        p_document_type: "certificate",
        p_student_id: studentId,
        p_lead_id: leadId,
        p_is_required: true,
        p_is_confidential: false,
        p_access_level: "standard",
        p_notes: "Original medical certificate from hospital",
      },
    });
    expect(await read(document_id)).toMatchObject({
      document_name: "Medical Certificate.pdf",
      document_type: "certificate",
      student_id: studentId,
      lead_id: leadId,
      is_required: true,
      is_confidential: false,
      access_level: "standard",
      notes: "Original medical certificate from hospital",
      status: "pending",
      uploaded_by: counselor.id,
      version_no: 1,
      storage_path: path,
      file_name: "Medical Certificate.pdf",
      mime_type: types.pdf,
      size_bytes: file.length,
    });
    const back = await manager.client.storage.from("documents").download(path);
    expect(Buffer.from(await back.data!.arrayBuffer())).toEqual(file);
    const told = await counselor.client
      .from("timeline")
      .select("type, title, description, by")
      .eq("source_id", document_id)
      .eq("entity_type", "lead");
    expect(told.data).toEqual([
      {
        type: "document",
        title: "Document Uploaded",
        description: "Medical Certificate.pdf",
        by: "Chetan Kumar",
      },
    ]);
  });

  it("[D0-015] [D0-019] [D0-020] are listed by status, type, student and lead, page by page", async () => {
    const kind = unique("paper").toLowerCase().replace(/\W+/g, "_");
    const made = expectData(
      await counselor.client
        .from("documents")
        .insert(
          [1, 2, 3].map((n) => ({
            student_id: studentId,
            document_name: `Paper ${n}`,
            document_type: kind,
          })),
        )
        .select("id"),
    );
    expectData(
      await manager.client.rpc("document_verify", {
        p_document_id: made[0]!.id,
        p_status: "rejected",
      }),
    );
    const names = async (person: Person, column: "student_id" | "lead_id", id: string) => {
      const { data, count } = await person.client
        .from("documents")
        .select("document_name", { count: "exact" })
        .eq("status", "pending")
        .eq("document_type", kind)
        .eq(column, id)
        .order("document_name")
        .range(0, 0);
      return [data?.map((row) => row.document_name), count];
    };
    for (const person of [counselor, manager, admin]) {
      expect(await names(person, "student_id", studentId)).toEqual([["Paper 2"], 2]);
      expect(await names(person, "lead_id", leadId)).toEqual([["Paper 2"], 2]);
    }
    expect(await names(stranger, "student_id", studentId)).toEqual([[], 0]);
    const whole = await counselor.client.from("documents").select().eq("lead_id", leadId);
    expect(() => documentSchema.array().parse(whole.data)).not.toThrow();
  });

  it("[D0-017] are changed by who sees them, and decided on by who may verify", async () => {
    const { document_id } = await file();
    const change = { document_name: "Updated Certificate.pdf" };
    const change_of = (person: Person, body: object) =>
      person.client.from("documents").update(body).eq("id", document_id).select().single();
    const byCounselor = await change_of(counselor, change);
    expect(documentSchema.parse(byCounselor.data)).toMatchObject(change);
    const decision = {
      ...change,
      status: "verified",
      verification_notes: "Document verified and approved",
    };
    expectError(await change_of(counselor, decision), {
      code: "42501",
      details: "permission_denied",
    });
    const byManager = await change_of(manager, decision);
    expect(documentSchema.parse(byManager.data)).toMatchObject({
      ...decision,
      verified_by: manager.id,
    });
    expect((await change_of(stranger, change)).data).toBeNull();
  });

  it("[D0-018] [D0-066] are verified or rejected once, by the caller, and their owner is told", async () => {
    const { document_id } = await file();
    const verify = (person: Person, p_status: string, more: object = {}) =>
      person.client.rpc("document_verify", { p_document_id: document_id, p_status, ...more });
    expectError(await verify(counselor, "verified"), {
      code: "42501",
      details: "permission_denied",
    });
    const decided = await verify(manager, "verified", { p_notes: "Document approved by admin" });
    expect(documentSchema.parse(decided.data)).toMatchObject({
      status: "verified",
      verification_notes: "Document approved by admin",
      verified_by: manager.id,
    });
    expectError(await verify(manager, "rejected"), {
      code: "PT409",
      details: "document_status_refused",
      status: 409,
    });
    const told = await counselor.client
      .from("notifications")
      .select("title, type, student_id")
      .eq("metadata->>document_id", document_id);
    expect(told.data).toEqual([
      { title: "Document verified", type: "success", student_id: studentId },
    ]);
    await file({ fields: { p_document_id: document_id } });
    expect(await read(document_id)).toMatchObject({
      status: "pending",
      version_no: 2,
      verified_by: null,
      verification_notes: null,
    });
    expect((await verify(manager, "rejected", { p_version_no: 1 })).error?.details).toMatch(
      /^document_changed/,
    );
    expect((await verify(manager, "rejected", { p_version_no: 2 })).error).toBeNull();
  });

  it("[D0-021] are deleted from sight at once, and their files by the worker when they are kept no longer", async () => {
    const { document_id, path } = await file();
    const remove = (person: Person) =>
      person.client.rpc("soft_delete", { p_table: "documents", p_id: document_id });
    expectError(await remove(stranger), { code: "PT404", details: "not_found", status: 404 });
    expect((await remove(counselor)).error).toBeNull();
    const left = await counselor.client.from("documents").select().eq("id", document_id);
    expect(left.data).toEqual([]);
    const gone = await admin.client.storage.from("documents").download(path);
    expect(gone.error).not.toBeNull();
    expect(await removed(path)).toBe(false);
    await sql()`select private.remove_rows('documents', array[${document_id}::uuid])`;
    await expect.poll(() => removed(path), { timeout: 20_000 }).toBe(true);
  });
});

describe("files of documents", () => {
  it("[D0-065] are PDFs, images and office documents, and found to be so", async () => {
    for (const [kind, file] of Object.entries({ pdf: pdf(), png, docx: docx() })) {
      const type = types[kind as keyof typeof types];
      const { version } = await handIn({ file, type, name: `file.${kind}` });
      expect(version, kind).toMatchObject({
        state: "ready",
        mime_type: type,
        size_bytes: file.length,
        checksum: createHash("sha256").update(file).digest("hex"),
      });
    }
  });

  it("[D0-065] are refused, removed and told of when they are something else", async () => {
    const fake = await handIn({ file: program, name: "certificate.pdf" });
    expect(fake.version).toMatchObject({ state: "refused", fault: "document_content_mismatch" });
    expect(await read(fake.document_id)).toMatchObject({
      status: "rejected",
      verified_by: null,
      version_no: null,
      verification_notes: expect.stringContaining("it is a Windows program"),
    });
    await expect.poll(() => removed(fake.path), { timeout: 20_000 }).toBe(true);
    const empty = await handIn({ file: Buffer.alloc(0) });
    expect(empty.version).toMatchObject({ state: "refused", fault: "document_empty" });
    // A PDF indeed, but Storage was told that it is an image, and would say so.
    const upload = await begin({});
    await put({ type: types.png }, upload.path);
    await counselor.client.rpc("document_complete_upload", {
      p_document_id: upload.document_id,
      p_version_no: 1,
    });
    expect(await verdict(upload)).toMatchObject({ fault: "document_content_mismatch" });
    const told = await counselor.client
      .from("notifications")
      .select("title, type")
      .eq("metadata->>document_id", fake.document_id);
    expect(told.data).toEqual([{ title: "Document rejected", type: "warning" }]);
  });

  it("[D0-065] of another kind or too large are refused before and by Storage", async () => {
    const ask = (p_mime_type: string, p_size_bytes: number) =>
      counselor.client.rpc("document_begin_upload", {
        p_file_name: "x",
        p_mime_type,
        p_size_bytes,
        p_lead_id: leadId,
      });
    expectError(await ask("text/html", 10), {
      code: "PT415",
      details: "document_kind_refused",
      status: 415,
    });
    expectError(await ask(types.pdf, 20 * 1024 * 1024 + 1), {
      code: "PT413",
      details: "document_too_large",
      status: 413,
    });
    const upload = await begin({});
    const page = await put({ file: Buffer.from("<p>"), type: "text/html" }, upload.path);
    expect(page.error).not.toBeNull();
    const large = Buffer.concat([pdf(), Buffer.alloc(20 * 1024 * 1024)]);
    expect((await put({ file: large }, upload.path)).error).not.toBeNull();
    expect(await removed(upload.path)).toBe(true);
  });

  it("lie under paths that nobody chose, whatever they are called", async () => {
    const { document_id, path } = await file({ name: "../../प्रमाणपत्र \u202efdp.pdf" });
    expect(path).toMatch(/^[0-9a-f-]{36}\/[0-9a-f-]{36}$/);
    expect((await read(document_id)).file_name).toBe("प्रमाणपत्र fdp.pdf");
    for (const other of ["x.pdf", `${document_id}/x.pdf`, `../${path}`, `${path}/../../x.pdf`]) {
      expect((await put({}, other)).error, other).not.toBeNull();
    }
  });

  it("go up by a signed address too, once, and never over one another", async () => {
    const upload = await begin({});
    const bucket = counselor.client.storage.from("documents");
    const signed = await bucket.createSignedUploadUrl(upload.path);
    expect(signed.error).toBeNull();
    const byOther = await stranger.client.storage
      .from("documents")
      .createSignedUploadUrl(upload.path);
    expect(byOther.error).not.toBeNull();
    const sent = await bucket.uploadToSignedUrl(
      upload.path,
      signed.data!.token,
      new Blob([new Uint8Array(pdf())], { type: types.pdf }),
      { contentType: types.pdf },
    );
    expect(sent.error).toBeNull();
    expect((await put({ file: program }, upload.path)).error).not.toBeNull();
    const over = await bucket.upload(upload.path, new Uint8Array(program), {
      contentType: types.pdf,
      upsert: true,
    });
    expect(over.error).not.toBeNull();
    // Nobody says that it is complete: the sweep does.
    await sql()`select private.documents_sweep()`;
    expect(await verdict(upload)).toMatchObject({ state: "ready" });
    expect((await bucket.remove([upload.path])).data).toEqual([]);
    expect(await removed(upload.path)).toBe(false);
  });

  it("[D0-068] keep their versions: each readable, the newest good one current", async () => {
    const [one, two] = [pdf("one"), pdf("two")];
    const first = await handIn({ file: one });
    const fields = { p_document_id: first.document_id };
    const second = await handIn({ file: two, fields });
    const third = await handIn({ file: program, fields });
    expect(third.version.state).toBe("refused");
    expect(await read(first.document_id)).toMatchObject({
      version_no: 2,
      storage_path: second.path,
    });
    const versions = await manager.client
      .from("document_versions")
      .select("version_no, storage_path, checksum, state, uploaded_by")
      .eq("document_id", first.document_id)
      .order("version_no");
    expect(versions.data).toMatchObject([
      { version_no: 1, storage_path: first.path, checksum: first.version.checksum },
      { version_no: 2, storage_path: second.path, checksum: second.version.checksum },
      { version_no: 3, state: "refused", uploaded_by: counselor.id },
    ]);
    for (const [version, file] of [
      [1, one],
      [2, two],
    ] as const) {
      const opened = await manager.client.rpc("document_open", {
        p_document_id: first.document_id,
        p_version_no: version,
      });
      const { path, file_name } = documentFileSchema.parse(opened.data);
      const signed = await manager.client.storage
        .from("documents")
        .createSignedUrl(path, 60, { download: file_name });
      const response = await fetch(signed.data!.signedUrl);
      expect(Buffer.from(await response.arrayBuffer())).toEqual(file);
    }
  });

  it("[D0-067] of confidential documents are read, signed and opened by few, who are remembered", async () => {
    const { document_id, path } = await file({
      person: manager,
      fields: { p_lead_id: leadId, p_document_type: "report", p_is_confidential: true },
    });
    const bucket = (person: Person) => person.client.storage.from("documents");
    const open = (person: Person) =>
      person.client.rpc("document_open", { p_document_id: document_id });
    // Whose lead it is does not see it: not the row, its versions, the file, an address of it.
    for (const person of [counselor, stranger]) {
      const rows = await person.client.from("documents").select().eq("id", document_id);
      const versions = await person.client
        .from("document_versions")
        .select()
        .eq("document_id", document_id);
      expect([rows.data, versions.data]).toEqual([[], []]);
      expect((await bucket(person).download(path)).error).not.toBeNull();
      expect((await bucket(person).createSignedUrl(path, 60)).error).not.toBeNull();
      const listed = await bucket(person).list(document_id);
      expect(listed.data).toEqual([]);
      expectError(await open(person), { code: "PT404", details: "not_found", status: 404 });
    }
    const told = await counselor.client.from("timeline").select().eq("source_id", document_id);
    expect(told.data).toEqual([]);
    // Who may see it says so first.
    expect((await bucket(admin).createSignedUrl(path, 60)).error).not.toBeNull();
    expect((await open(admin)).error).toBeNull();
    const signed = await bucket(admin).createSignedUrl(path, 60);
    const response = await fetch(signed.data!.signedUrl);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(pdf());
    expect((await bucket(manager).download(path)).error).not.toBeNull();
    const log = await manager.client
      .from("document_openings")
      .select("user_id, version_no")
      .eq("document_id", document_id);
    expect(log.data).toEqual([{ user_id: admin.id, version_no: 1 }]);
    const anonymous = await fetch(`${stack().url}/storage/v1/object/public/documents/${path}`);
    expect(anonymous.ok).toBe(false);
  });

  it("[D0-067] of restricted and private documents are for whom the level says", async () => {
    const made = await Promise.all(
      ["standard", "restricted", "private"].map((p_access_level) =>
        file({
          person: admin,
          fields: { p_lead_id: leadId, p_document_type: "report", p_access_level },
        }),
      ),
    );
    const readable = (person: Person) =>
      Promise.all(
        made.map(async ({ path }) => {
          const { error } = await person.client.storage.from("documents").createSignedUrl(path, 60);
          return error === null;
        }),
      );
    expect(await readable(counselor)).toEqual([true, false, false]);
    expect(await readable(manager)).toEqual([true, true, false]);
    expect(await readable(admin)).toEqual([true, true, true]);
    expect(await readable(stranger)).toEqual([false, false, false]);
  });

  it("go with the person that is erased", async () => {
    const lead = await addLead(counselor, { name: unique("Erased") });
    const { document_id, path } = await file({ fields: { p_lead_id: lead.id } });
    const erased = await admin.client.rpc("lead_delete", { p_id: lead.id, p_hard: true });
    expect(erased.error).toBeNull();
    await expect.poll(() => removed(path), { timeout: 20_000 }).toBe(true);
    const [row] =
      await sql()`select count(*)::int from public.document_versions where document_id = ${document_id}`;
    expect(row?.count).toBe(0);
  });
});
