// Kysely over a transaction that is open already: it writes the queries, and nothing else.

import {
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from "kysely";
import type { Logger } from "./log.ts";
import type { Transaction } from "./pool.ts";

function connectionOver(transaction: Transaction, log: Logger | undefined): DatabaseConnection {
  return {
    async executeQuery<Row>({ sql, parameters }: { sql: string; parameters: readonly unknown[] }) {
      const started = performance.now();
      const result = await transaction.query(sql, parameters);
      // Values are parameters: what is written is our own text.
      log?.log("debug", "statement", {
        sql: sql.replace(/\s+/g, " ").slice(0, 500),
        rows: result.length,
        ms: Math.round(performance.now() - started),
      });
      return { rows: Array.from(result) as Row[], numAffectedRows: BigInt(result.count ?? 0) };
    },
    streamQuery() {
      throw new Error("Not in a transaction of a function: results are small here.");
    },
  };
}

const noTransaction = async () => {
  throw new Error("The transaction is open already.");
};

export function kyselyOver<Schema>(transaction: Transaction, log?: Logger): Kysely<Schema> {
  const connection = connectionOver(transaction, log);
  const driver: Driver = {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: noTransaction,
    commitTransaction: noTransaction,
    rollbackTransaction: noTransaction,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => driver,
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}
