import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { type Change, PgOutputDecoder } from "./pgoutput.ts";

const POSTGRES_EPOCH_US = BigInt(Date.UTC(2000, 0, 1)) * 1000n;
const SHORTEST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
const GOODBYE_MS = 1_000;

export interface ReplicationOptions {
  databaseUrl: string;
  publication: string;
  onChange(change: Change): void;
  /** Called each time the slot is followed: at first, and after every lost connection. */
  onReady?(): void;
  onError(error: unknown): void;
}

/**
 * Follows a publication through a temporary slot, which Postgres drops by itself when the
 * connection ends, and starts over when Postgres comes back. What is committed while there is no
 * connection is not seen, as on hosted.
 */
export class Replication {
  readonly #options: ReplicationOptions;
  readonly #closing = new AbortController();
  readonly #finished: Promise<void>;
  #ready = deferred();
  #isReady = false;
  #sql: postgres.Sql | null = null;
  #stream: Duplex | null = null;

  constructor(options: ReplicationOptions) {
    this.#options = options;
    this.#finished = this.#run();
  }

  /** Resolves while the slot is followed: whatever commits from then on is seen. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stream?.end();
    const isOver = this.#finished.then(() => true);
    // Making a slot waits for every open transaction, and a stuck server answers nothing.
    if (!(await Promise.race([isOver, sleep(GOODBYE_MS, false, { ref: false })]))) {
      await this.#sql?.end({ timeout: 0 });
      await this.#finished;
    }
    this.#ready.resolve();
  }

  async #run(): Promise<void> {
    let pause = SHORTEST_PAUSE_MS;
    while (!this.#closing.signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        if (!this.#closing.signal.aborted) this.#options.onError(error);
      }
      this.#stream = null;
      pause = this.#isReady ? SHORTEST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
      if (this.#isReady) {
        this.#isReady = false;
        this.#ready = deferred();
      }
      await sleep(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  async #follow(): Promise<void> {
    const sql = postgres(this.#options.databaseUrl, {
      max: 1,
      fetch_types: false,
      idle_timeout: 0,
      max_lifetime: null,
      connect_timeout: 5,
      onnotice: () => {},
      // Text values must not depend on the database's settings.
      connection: {
        application_name: "realtime_replication",
        replication: "database",
        TimeZone: "UTC",
        DateStyle: "ISO, MDY",
        IntervalStyle: "postgres",
      },
    });
    this.#sql = sql;
    try {
      const slot = `realtime_${randomBytes(8).toString("hex")}`;
      const [created] = await sql.unsafe<{ consistent_point: string }[]>(
        `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
      );
      const stream = (await sql
        .unsafe(
          `START_REPLICATION SLOT ${slot} LOGICAL ${created?.consistent_point} ` +
            `(proto_version '1', publication_names '"${this.#options.publication}"')`,
        )
        .writable()) as Duplex;
      this.#stream = stream;
      const decoder = new PgOutputDecoder();
      stream.on("data", (message: Buffer) => this.#receive(stream, decoder, message));
      this.#isReady = true;
      this.#ready.resolve();
      this.#options.onReady?.();
      if (this.#closing.signal.aborted) stream.end();
      await once(stream, "close");
    } finally {
      await sql.end({ timeout: 1 }).catch(() => {});
    }
  }

  #receive(stream: Duplex, decoder: PgOutputDecoder, message: Buffer) {
    const kind = message[0];
    if (kind === 0x77 /* w: data */) {
      try {
        const change = decoder.decode(message.subarray(25));
        if (change) this.#options.onChange(change);
      } catch (error) {
        this.#options.onError(error);
      }
    } else if (kind === 0x6b /* k: keepalive */) {
      // Confirming exactly what was sent also lets a stopping server stop at once.
      stream.write(confirmation(message.readBigUInt64BE(1)));
    }
  }
}

function confirmation(position: bigint): Buffer {
  const status = Buffer.alloc(34);
  status[0] = 0x72; // r: standby status
  status.writeBigUInt64BE(position, 1);
  status.writeBigUInt64BE(position, 9);
  status.writeBigUInt64BE(position, 17);
  status.writeBigInt64BE(BigInt(Date.now()) * 1000n - POSTGRES_EPOCH_US, 25);
  return status;
}

// Promise.withResolvers exists from Node 22 on.
function deferred() {
  let resolve!: () => void;
  const promise = new Promise<void>((onResolve) => {
    resolve = onResolve;
  });
  return { promise, resolve };
}
