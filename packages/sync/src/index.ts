/**
 * A device's copy of its person's own work. It takes changes without a connection, sends each once when
 * there is one, and agrees with the server afterwards. Works in browsers, React Native, Node and Deno; where
 * the state is kept is the application's choice (`SyncStore`).
 */
import {
  type SyncOp,
  type SyncPull,
  type SyncResult,
  type SyncRow,
  type SyncType,
  syncIdsSchema,
  syncPullSchema,
  syncPushSchema,
  syncRowSchema,
  syncTypes,
} from "@intake/types";

/** Of a Supabase client, what is used here. */
export interface Rpc {
  rpc(
    name: string,
    args: Record<string, unknown>,
  ): PromiseLike<{ data: unknown; error: { message: string; code?: string } | null }>;
}

/** What was refused or decided otherwise, with what the person had done: nothing they entered is lost. */
export type SyncIssue = SyncResult & { op: SyncOp };

/** All that a device keeps, as plain JSON. */
export interface SyncState {
  /** Of this installation. */
  clientId: string;
  cursor: string | null;
  /** As the server last had them. */
  rows: Record<SyncType, Record<string, SyncRow>>;
  /** What the server has not answered yet, oldest first. */
  queue: SyncOp[];
  /** What was refused or decided otherwise, for the person to see. */
  issues: SyncIssue[];
}

export interface SyncStore {
  load(): Promise<SyncState | null>;
  save(state: SyncState): Promise<void>;
}

/** For tests and tools: gone with the process. What is kept is a copy, as on a disk. */
export function memoryStore(): SyncStore & { kept: string | null } {
  return {
    kept: null,
    async load() {
      return this.kept === null ? null : (JSON.parse(this.kept) as SyncState);
    },
    async save(state) {
      this.kept = JSON.stringify(state);
    },
  };
}

export interface SyncOptions {
  client: Rpc;
  store: SyncStore;
  types?: readonly SyncType[];
  device?: string;
  pageSize?: number;
}

export type Fields = NonNullable<SyncOp["fields"]>;

export interface Sync {
  /** Rows as the person sees them: the server's with what waits to be sent. */
  rows(type: SyncType): SyncRow[];
  /** How many changes wait. */
  pending(): number;
  issues(): SyncIssue[];
  /** Answers the id, new for an insert. Kept before it is answered. */
  change(
    type: SyncType,
    action: SyncOp["action"],
    id: string | null,
    fields?: Fields,
  ): Promise<string>;
  /** Pushes, pulls and compares. What fails can be asked again; nothing is lost and nothing done twice. */
  sync(): Promise<void>;
  /** Syncs whenever the target says `online`. Answers how to stop. */
  syncWhenOnline(target: EventTarget, onError?: (error: unknown) => void): () => void;
  /** For signing out: nothing stays on the device. */
  wipe(): Promise<void>;
}

const batchSize = 200;

const emptyState = (): SyncState => ({
  clientId: crypto.randomUUID(),
  cursor: null,
  rows: { leads: {}, tasks: {}, calls: {}, reminders: {} },
  queue: [],
  issues: [],
});

/** Without what PostgreSQL stores in no text: one such letter would hold up the whole queue for good. */
const storable = (fields: Fields): Fields =>
  JSON.parse(JSON.stringify(fields), (_, value) =>
    typeof value === "string" ? value.replaceAll("\0", "").replace(/[\uD800-\uDFFF]/gu, "") : value,
  );

/** As sync_pull() computes it: the end of the id, mixed with the version. */
function digestsOf(rows: Record<string, SyncRow>): Record<string, [number, number]> {
  const digests: Record<string, [number, number]> = {};
  for (const { id, version } of Object.values(rows)) {
    const bucket = id.slice(-1);
    const [count, digest] = digests[bucket] ?? [0, 0];
    const mixed = Number.parseInt(id.slice(-8), 16) ^ Math.imul(version, 2654435761);
    digests[bucket] = [count + 1, (digest ^ mixed) >>> 0];
  }
  return digests;
}

/** Loads what the device kept. One at a time: two over one store would overwrite one another. */
export async function openSync(options: SyncOptions): Promise<Sync> {
  const { client, store, types = syncTypes, device, pageSize = 500 } = options;
  let state = (await store.load()) ?? emptyState();
  let running: Promise<void> | null = null;
  let syncing: SyncState | null = null;
  let saving: Promise<void> = Promise.resolve();

  /** One after the other, so that an earlier state never overwrites a later one. */
  function save(): Promise<void> {
    saving = saving.catch(() => undefined).then(() => store.save(state));
    return saving;
  }

  const refuseAfterWipe = () => {
    if (state !== syncing) throw new Error("The device was wiped meanwhile.");
  };

  async function call(name: string, args: Record<string, unknown>): Promise<unknown> {
    refuseAfterWipe();
    const { data, error } = await client.rpc(name, args);
    refuseAfterWipe();
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return data;
  }

  const keep = (type: SyncType, row: SyncRow) => {
    state.rows[type][row.id] = row;
  };

  function overlay(type: SyncType): Map<string, SyncRow> {
    const seen = new Map(Object.entries(state.rows[type]));
    for (const { action, id, fields, ...op } of state.queue) {
      if (op.type !== type) continue;
      if (action === "delete") seen.delete(id);
      else if (action === "insert") seen.set(id, { version: 0, ...fields, id });
      else if (seen.has(id)) seen.set(id, { ...seen.get(id)!, ...fields });
    }
    return seen;
  }

  /** Of each row one change at a time where there is something to compare: the next is compared with what the server made of this one. */
  function nextBatch(): SyncOp[] {
    const ids = new Set<string>();
    const again = state.queue.findIndex(
      ({ id, base }) => ids.size === ids.add(id).size && base !== undefined,
    );
    return state.queue.slice(0, again === -1 ? batchSize : Math.min(again, batchSize));
  }

  /** What waits was done on top of this change, in the words of the device; the server may spell them otherwise. */
  function rebase(op: SyncOp, { row, conflicts }: SyncResult): void {
    for (const { id, base } of state.queue) {
      if (!row || !base || id !== op.id) continue;
      for (const [field, value] of Object.entries(op.fields ?? {})) {
        const isRefused = conflicts?.some(
          (one) => one.field === field && one.resolution === "server",
        );
        if (isRefused || JSON.stringify(base[field]) !== JSON.stringify(value)) continue;
        base[field] = (row[field] ?? null) as Fields[string];
      }
    }
  }

  async function push(): Promise<void> {
    while (state.queue.length > 0) {
      const batch = nextBatch();
      const { results } = syncPushSchema.parse(
        await call("sync_push", {
          p_client_id: state.clientId,
          p_ops: batch,
          ...(device === undefined ? {} : { p_device: device }),
        }),
      );
      const sent = new Map(batch.map((op) => [op.op_id, op]));
      for (const result of results) {
        const op = sent.get(result.op_id);
        if (!op) continue;
        if (result.row) keep(op.type, result.row);
        rebase(op, result);
        if (op.action === "delete" && result.status === "applied")
          delete state.rows[op.type][op.id];
        if (result.status !== "applied" || result.conflicts?.length)
          state.issues.push({ ...result, op });
      }
      state.queue = state.queue.filter((op) => !sent.has(op.op_id));
      await save();
    }
  }

  async function pull(): Promise<{ pulled: Record<string, number>; last: SyncPull }> {
    const pulled: Record<string, number> = {};
    for (;;) {
      const page = syncPullSchema.parse(
        await call("sync_pull", {
          p_types: types,
          p_cursor: state.cursor,
          p_limit: pageSize,
          p_client_id: state.clientId,
        }),
      );
      for (const type of types) {
        for (const row of page.changes[type] ?? []) {
          keep(type, row);
          pulled[type] = (pulled[type] ?? 0) + 1;
        }
      }
      state.cursor = page.cursor;
      // After each page, so that one that breaks off goes on where it was.
      await save();
      if (!page.has_more) return { pulled, last: page };
    }
  }

  /** What the server has no longer leaves no change to pull: the digests tell. */
  async function reconcile({ digests }: SyncPull): Promise<void> {
    for (const type of types) {
      const theirs = digests?.[type] ?? {};
      const ours = digestsOf(state.rows[type]);
      const buckets = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])].filter(
        (bucket) => String(ours[bucket]) !== String(theirs[bucket]),
      );
      if (buckets.length === 0) continue;
      const there = syncIdsSchema.parse(
        await call("sync_ids", { p_type: type, p_buckets: buckets }),
      );
      for (const id of Object.keys(state.rows[type])) {
        if (buckets.includes(id.slice(-1)) && there[id] === undefined) delete state.rows[type][id];
      }
      const other = Object.keys(there).filter((id) => state.rows[type][id]?.version !== there[id]);
      for (let at = 0; at < other.length; at += pageSize) {
        const ids = other.slice(at, at + pageSize);
        const rows = await call("sync_rows", { p_type: type, p_ids: ids });
        for (const row of syncRowSchema.array().parse(rows)) keep(type, row);
      }
    }
    await save();
  }

  async function once(): Promise<void> {
    syncing = state;
    const p_started_at = new Date().toISOString();
    const isFirst = state.cursor === null;
    const report = (status: string, p_counts: unknown, error?: unknown) =>
      call("sync_report", {
        p_client_id: state.clientId,
        p_type: isFirst ? "full" : types.length < syncTypes.length ? "selective" : "incremental",
        p_status: status,
        p_started_at,
        p_counts,
        p_pending: state.queue.length,
        ...(device === undefined ? {} : { p_device: device }),
        ...(error === undefined ? {} : { p_error: String(error) }),
      });
    try {
      await push();
      const { pulled, last } = await pull();
      await reconcile(last);
      await report("success", pulled);
    } catch (error) {
      // Without a connection there is nobody to tell.
      await report("failed", {}, error).catch(() => undefined);
      throw error;
    }
  }

  const sync: Sync = {
    rows: (type) => [...overlay(type).values()],
    pending: () => state.queue.length,
    issues: () => [...state.issues],
    async change(type, action, id, given = {}) {
      const fields = storable(given);
      const row = id === null ? undefined : overlay(type).get(id);
      const target = id ?? crypto.randomUUID();
      const op: SyncOp = { op_id: crypto.randomUUID(), type, action, id: target };
      if (action !== "delete") op.fields = fields;
      // One's own row that was not sent yet has nothing to be compared with.
      if (action === "update" && row && row.version > 0) {
        op.base_version = row.version;
        op.base = Object.fromEntries(
          Object.keys(fields).map((field) => [field, (row[field] ?? null) as Fields[string]]),
        );
      }
      state.queue.push(op);
      await save();
      return target;
    },
    sync() {
      running ??= once().finally(() => {
        running = null;
      });
      return running;
    },
    syncWhenOnline(target, onError = () => undefined) {
      const run = () => void sync.sync().catch(onError);
      target.addEventListener("online", run);
      return () => target.removeEventListener("online", run);
    },
    async wipe() {
      state = emptyState();
      await save();
    },
  };
  return sync;
}
