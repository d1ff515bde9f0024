import type postgres from "postgres";
import { parseSchedule, type Schedule } from "./cron-schedule.ts";

interface Job {
  jobid: string;
  schedule: string;
  command: string;
  database: string;
  username: string;
}

interface Timed extends Job {
  when: Schedule;
  lastRun: number;
}

export interface Cron {
  close(): Promise<void>;
}

/**
 * Runs the jobs of the pg_cron stand-in as its background worker would: as the job's user, one run of
 * a job at a time, with a row in cron.job_run_details for each run.
 */
export async function startCron(sql: postgres.Sql, onError: (line: string) => void): Promise<Cron> {
  let jobs: Timed[] = [];
  let closed = false;
  const running = new Map<string, Promise<void>>();

  async function refresh(): Promise<void> {
    const [table] = await sql`select to_regclass('cron.job') as name`;
    if (!table?.name) return;
    const rows = await sql<Job[]>`
      select jobid, schedule, command, database, username from cron.job
      where active and database = current_database()
    `;
    const known = new Map(jobs.map((job) => [job.jobid, job.lastRun]));
    jobs = rows.flatMap((row) => {
      const when = parseSchedule(row.schedule);
      return when ? [{ ...row, when, lastRun: known.get(row.jobid) ?? Date.now() }] : [];
    });
  }

  function tick(at: Date): void {
    for (const job of jobs) {
      const isDue =
        "everySeconds" in job.when
          ? at.getTime() - job.lastRun >= job.when.everySeconds * 1000
          : at.getUTCSeconds() === 0 && job.when.matches(at);
      if (!isDue || running.has(job.jobid)) continue;
      job.lastRun = at.getTime();
      const run = runJob(sql, job)
        .catch((error: unknown) => onError(`cron job ${job.jobid}: ${String(error)}`))
        .finally(() => running.delete(job.jobid));
      running.set(job.jobid, run);
    }
  }

  const report = (error: unknown) => {
    if (!closed) onError(`cron: ${String(error)}`);
  };
  await refresh();
  const subscription = await sql.listen("pg_cron_changed", () => void refresh().catch(report));
  let last = Math.floor(Date.now() / 1000);
  const timer = setInterval(() => {
    // A late timer must not skip the second on which a minute begins.
    for (const now = Math.floor(Date.now() / 1000); last < now; ) {
      last += 1;
      if (last >= now - 60) tick(new Date(last * 1000));
    }
  }, 1000);

  return {
    async close() {
      closed = true;
      clearInterval(timer);
      await subscription.unlisten().catch(() => undefined);
      await Promise.race([
        Promise.allSettled(running.values()),
        new Promise((resolve) => setTimeout(resolve, 2000).unref()),
      ]);
    },
  };
}

async function runJob(sql: postgres.Sql, job: Job): Promise<void> {
  const [run] = await sql<{ runid: string }[]>`
    insert into cron.job_run_details (jobid, database, username, command, status, start_time)
    values (${job.jobid}, ${job.database}, ${job.username}, ${job.command}, 'running', clock_timestamp())
    returning runid
  `;
  const connection = await sql.reserve();
  let [status, message] = ["succeeded", ""];
  try {
    await connection.unsafe(`set session authorization ${quoted(job.username)}`);
    const result = await connection.unsafe(job.command).simple();
    const tags = [result].flat().length;
    message = `${result.command ?? "OK"} ${result.count ?? tags}`;
  } catch (error) {
    [status, message] = ["failed", `ERROR: ${(error as Error).message}`];
  } finally {
    // The job may have left a transaction open or changed the session.
    for (const reset of ["rollback", "reset session authorization", "reset all"]) {
      await connection.unsafe(reset).catch(() => undefined);
    }
    connection.release();
  }
  await sql`
    update cron.job_run_details
    set status = ${status}, return_message = ${message}, end_time = clock_timestamp()
    where runid = ${run?.runid ?? null}
  `;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
