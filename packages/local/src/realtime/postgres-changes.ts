import { createHash } from "node:crypto";
import type { Sql } from "postgres";
import { readChange } from "./change-reader.ts";
import type { Channel } from "./channel.ts";
import { CommitWatch } from "./commit-watch.ts";
import {
  BadChangeRequest,
  type ChangeRequest,
  filterExpression,
  parseChangeRequest,
} from "./filters.ts";
import type { Change } from "./pgoutput.ts";
import { Replication } from "./replication.ts";
import { readTableShape, type TableShape } from "./table-shape.ts";

const PUBLICATION = "supabase_realtime";
const RETRY_MS = 5_000;

/** One `on("postgres_changes", …)` of a client. Its id is how messages name it. */
export interface Binding {
  id: number;
  params: Record<string, unknown>;
}

/** A binding that has been found to be in order. */
export interface Subscription {
  id: number;
  channel: Channel;
  request: ChangeRequest;
}

interface Options {
  sql: Sql;
  databaseUrl: string;
  log(message: string): void;
}

/**
 * Row changes for clients, each seen through its subscriber's own rights. The publication is only
 * followed once somebody has subscribed.
 */
export class PostgresChanges {
  readonly #options: Options;
  readonly #commits: CommitWatch;
  readonly #subscriptions = new Map<Channel, Subscription[]>();
  readonly #bindings = new Map<Channel, Binding[]>();
  readonly #pending: Change[] = [];
  #replication: Replication | null = null;
  #draining: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: Options) {
    this.#options = options;
    this.#commits = new CommitWatch(options.sql);
  }

  /** The same parameters always get the same id, which is never zero. */
  identify(params: Record<string, unknown>[]): Binding[] {
    return params.map((param) => {
      const hash = createHash("sha256").update(JSON.stringify(param)).digest();
      return { id: (hash.readUInt32BE(0) >>> 5) + 1, params: param };
    });
  }

  subscribe(channel: Channel, bindings: Binding[]) {
    this.#bindings.set(channel, bindings);
    void this.#activate(channel, bindings);
  }

  /** After a token refresh: the new holder may name other columns. */
  resubscribe(channel: Channel) {
    const bindings = this.#bindings.get(channel);
    if (bindings) void this.#activate(channel, bindings);
  }

  unsubscribe(channel: Channel) {
    this.#bindings.delete(channel);
    this.#subscriptions.delete(channel);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pending.length = 0;
    await this.#replication?.close();
    await this.#draining;
  }

  async #activate(channel: Channel, bindings: Binding[]): Promise<void> {
    try {
      const subscriptions: Subscription[] = [];
      for (const { id, params } of bindings) {
        const request = parseChangeRequest(params);
        await this.#validate(request, channel.identity.role);
        subscriptions.push({ id, channel, request });
      }
      await this.#follow();
      if (this.#isClosed || this.#bindings.get(channel) !== bindings) return;
      this.#subscriptions.set(channel, subscriptions);
      channel.pushSystem("postgres_changes", "ok", "Subscribed to PostgreSQL");
    } catch (error) {
      if (this.#isClosed || this.#bindings.get(channel) !== bindings) return;
      channel.pushSystem("postgres_changes", "error", (error as Error).message);
      if (error instanceof BadChangeRequest) {
        this.#subscriptions.delete(channel);
        return;
      }
      setTimeout(() => {
        if (this.#bindings.get(channel) === bindings) void this.#activate(channel, bindings);
      }, RETRY_MS).unref();
    }
  }

  async #follow(): Promise<void> {
    if (this.#isClosed) return;
    let hasBeenReady = false;
    this.#replication ??= new Replication({
      databaseUrl: this.#options.databaseUrl,
      publication: PUBLICATION,
      onChange: (change) => this.#receive(change),
      onReady: () => {
        // Whoever missed changes while the connection was lost is told that it is back.
        if (hasBeenReady) {
          for (const channel of this.#subscriptions.keys()) {
            channel.pushSystem("postgres_changes", "ok", "Subscribed to PostgreSQL");
          }
        }
        hasBeenReady = true;
      },
      onError: (error) => this.#options.log(`postgres_changes: ${(error as Error).message}`),
    });
    await this.#replication.ready();
  }

  async #validate(request: ChangeRequest, role: string): Promise<void> {
    const { sql } = this.#options;
    const { event, schema, table, filters, columns } = request;
    const asked = `[event: ${event}, schema: ${schema}, table: ${table}, filters: ${JSON.stringify(filters)}]`;
    const refuse = (reason: string) =>
      new BadChangeRequest(
        `Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: ${asked}. Exception: ${reason}`,
      );

    const tables = await sql<{ oid: number }[]>`
      select format('%I.%I', schemaname, tablename)::regclass::oid as oid
      from pg_publication_tables
      where pubname = ${PUBLICATION}
        and (schemaname = ${schema} or ${schema} = '*')
        and (tablename = ${table} or ${table} = '*')`;
    if (tables.length === 0) {
      throw new BadChangeRequest(
        `Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: ${asked}`,
      );
    }
    const [known] = await sql`select to_regrole(quote_ident(${role})) is not null as exists`;
    if (!known?.exists) throw refuse(`role "${role}" does not exist`);
    if (filters.length === 0 && !columns) return;

    for (const { oid } of tables) {
      const shape = await readTableShape(sql, oid, [role]);
      const readable = new Map(
        shape?.columns
          .filter((column) => column.readers.length > 0)
          .map((column) => [column.name, column]),
      );
      for (const name of columns ?? []) {
        if (!readable.has(name)) throw refuse(`invalid column for select ${name}`);
      }
      for (const filter of filters) {
        const column = readable.get(filter.column);
        if (!column) throw refuse(`invalid column for filter ${filter.column}`);
        try {
          const expression = filterExpression(filter, column.sqlType, "$1", "$2");
          await sql.unsafe(`select ${expression}`, [null, filter.value]);
        } catch (error) {
          throw refuse((error as Error).message);
        }
      }
    }
  }

  #receive(change: Change) {
    const { schema, table } = change.relation;
    const isHeard = [...this.#subscriptions.values()]
      .flat()
      .some(({ request }) => concerns(request, schema, table, change.operation));
    if (!isHeard || this.#isClosed) return;

    this.#pending.push(change);
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = null;
    });
  }

  /** Works through what has come in, in order; the catalogue is read once for each batch. */
  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, 100);
      const shapes = new Map<number, TableShape | null>();
      for (const change of batch) {
        if (this.#isClosed) return;
        try {
          await this.#deliver(change, shapes);
        } catch (error) {
          this.#options.log(`postgres_changes: ${(error as Error).message}`);
        }
      }
    }
  }

  async #deliver(change: Change, shapes: Map<number, TableShape | null>): Promise<void> {
    const { schema, table, id } = change.relation;
    const all = [...this.#subscriptions.values()].flat();
    const subscriptions = all.filter(({ request }) =>
      concerns(request, schema, table, change.operation),
    );
    if (subscriptions.length === 0) return;

    await this.#commits.untilVisible(change.transactionId);
    if (!shapes.has(id)) {
      const roles = [...new Set(all.map(({ channel }) => channel.identity.role))];
      shapes.set(id, await readTableShape(this.#options.sql, id, roles));
    }
    const shape = shapes.get(id);
    if (!shape) return;

    const deliveries = await readChange(this.#options.sql, change, shape, subscriptions);
    for (const { channel, ids, data } of deliveries) {
      channel.push("postgres_changes", { ids, data });
    }
  }
}

function concerns(request: ChangeRequest, schema: string, table: string, operation: string) {
  return (
    (request.schema === schema || request.schema === "*") &&
    (request.table === table || request.table === "*") &&
    (request.event === operation || request.event === "*")
  );
}
