/** The database as role `postgres`, for what a client cannot see or do. */
import postgres from "postgres";
import { projectFromEnvironment } from "./environment.ts";

export function connect(options: { max?: number } = {}): postgres.Sql {
  const project = projectFromEnvironment();
  if (!project) throw new Error("No project: run through `npm test` or `npx vitest`");
  return postgres(project.dbUrl, {
    max: options.max ?? 2,
    idle_timeout: 5,
    onnotice: () => {},
    connection: { application_name: "intake-tests" },
  });
}

class Undo extends Error {}

/** Runs work in a transaction that is rolled back whatever happens, and returns its result. */
export async function rolledBack<T>(
  sql: postgres.Sql,
  work: (tx: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  let result: { value: T } | undefined;
  try {
    await sql.begin(async (tx) => {
      result = { value: await work(tx) };
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return result!.value;
}

/**
 * The same again when the database chose this transaction as the victim of a deadlock, which work
 * that changes the schema beside live triggers and schedules has to expect.
 */
export async function rolledBackPatiently<T>(
  sql: postgres.Sql,
  work: (tx: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await rolledBack(sql, work);
    } catch (error) {
      const deadlock = error instanceof postgres.PostgresError && error.code === "40P01";
      if (!deadlock || attempt === 5) throw error;
    }
  }
}

/** Runs work in a savepoint that is rolled back, within a transaction. */
export async function undone<T>(
  tx: postgres.TransactionSql,
  work: (tx: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  let result: { value: T } | undefined;
  try {
    await tx.savepoint(async (point) => {
      result = { value: await work(point) };
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return result!.value;
}
