// Transactions over postgres.js, each on a client of one connection.
//
// postgres.js 3.4.9 sends the `rollback` of its own begin() into a connection that has just died, which
// throws where nobody can catch it and ends the isolate; a query on a reserve()d one never answers. Here
// nothing is sent any more once a connection is gone: the transaction rejects, and the next has another.

import postgres from "postgres";

export interface Transaction {
  query(text: string, parameters?: readonly unknown[]): Promise<postgres.RowList<postgres.Row[]>>;
}

export interface Pool {
  begin<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

export interface PoolOptions {
  name: string;
  max: number;
  /** Longest time a transaction may take, whatever the network does. */
  deadlineMs: number;
}

interface Slot {
  client: postgres.Sql;
  /** What the open transaction hears when its connection is lost. */
  lost: ((reason: Error) => void) | null;
}

class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

export function createPool(url: string, options: PoolOptions): Pool {
  const free: Slot[] = [];
  const waiting: ((slot: Slot) => void)[] = [];
  const all = new Set<Slot>();

  function open(slot: Slot): postgres.Sql {
    const client: postgres.Sql = postgres(url, {
      max: 1,
      // Hosted connections may go through a transaction pooler, which keeps no prepared statements.
      prepare: false,
      // Saves a question at each start; nothing here reads an array.
      fetch_types: false,
      idle_timeout: 20,
      max_lifetime: null,
      connect_timeout: 10,
      // After a restart of the database, back within a second.
      backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
      connection: { application_name: `intake-${options.name}` },
      onnotice: () => {},
      onclose: () => {
        if (slot.client === client) slot.lost?.(new ConnectionLost("The connection was closed."));
      },
    });
    return client;
  }

  function acquire(): Promise<Slot> {
    const idle = free.pop();
    if (idle) return Promise.resolve(idle);
    if (all.size < options.max) {
      const slot = { lost: null } as unknown as Slot;
      slot.client = open(slot);
      all.add(slot);
      return Promise.resolve(slot);
    }
    return new Promise((resolve) => waiting.push(resolve));
  }

  function release(slot: Slot): void {
    const next = waiting.shift();
    if (next) next(slot);
    else free.push(slot);
  }

  /** A client whose connection is in doubt is not used again. */
  function replace(slot: Slot): void {
    const { client } = slot;
    slot.client = open(slot);
    client.end({ timeout: 0 }).catch(() => {});
  }

  async function begin<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const slot = await acquire();
    let broken: Error | null = null;
    let isOver = false;
    const interrupted = new Promise<never>((_, reject) => {
      slot.lost = (reason) => {
        broken ??= reason;
        reject(reason);
      };
    });
    interrupted.catch(() => {});
    const timer = setTimeout(
      () => slot.lost?.(new ConnectionLost("The database did not answer in time.")),
      options.deadlineMs,
    );

    const { client } = slot;
    const transaction: Transaction = {
      async query(text, parameters = []) {
        if (broken) throw broken;
        if (isOver) throw new Error("The transaction is over.");
        try {
          return await Promise.race([client.unsafe(text, [...parameters] as never[]), interrupted]);
        } catch (error) {
          const isRefusal =
            error instanceof postgres.PostgresError && !/^(FATAL|PANIC)$/.test(error.severity);
          if (!isRefusal) broken ??= error instanceof Error ? error : new ConnectionLost();
          throw error;
        }
      },
    };

    try {
      await transaction.query("begin");
      const result = await Promise.race([work(transaction), interrupted]);
      await transaction.query("commit");
      return result;
    } catch (error) {
      if (!broken) await transaction.query("rollback").catch(() => {});
      throw error;
    } finally {
      clearTimeout(timer);
      isOver = true;
      slot.lost = null;
      if (broken) replace(slot);
      release(slot);
    }
  }

  return {
    begin,
    async end() {
      await Promise.all([...all].map((slot) => slot.client.end({ timeout: 5 })));
    },
  };
}
