import type postgres from "postgres";

interface Queued {
  id: string;
  method: string;
  url: string;
  headers: Record<string, string> | null;
  body: Buffer | null;
  timeout_milliseconds: number;
}

export interface Net {
  close(): Promise<void>;
}

const BATCH = 200;
const RETENTION = "6 hours";

/**
 * Sends what the pg_net stand-in has queued. As with the real one a request leaves the queue before it
 * is sent: it is a hint that may get lost, never a job.
 */
export async function startNet(sql: postgres.Sql, onError: (line: string) => void): Promise<Net> {
  const stopped = new AbortController();
  let draining: Promise<void> | undefined;
  let again = false;

  async function drain(): Promise<void> {
    const [table] = await sql`select to_regclass('net.http_request_queue') as name`;
    if (!table?.name) return;
    await sql`delete from net._http_response where created < now() - ${RETENTION}::interval`;
    for (;;) {
      const requests = await sql<Queued[]>`
        with next as (
          select id from net.http_request_queue order by id limit ${BATCH} for update skip locked
        )
        delete from net.http_request_queue q using next where q.id = next.id returning q.*
      `;
      if (requests.length === 0 || stopped.signal.aborted) return;
      // Not awaited: one slow receiver must not hold up the others.
      for (const request of requests) void send(request).catch(report);
    }
  }

  async function send(request: Queued): Promise<void> {
    const timeout = AbortSignal.timeout(request.timeout_milliseconds);
    try {
      const response = await fetch(request.url, {
        method: request.method,
        headers: request.headers ?? {},
        body: request.method === "GET" || !request.body ? undefined : new Uint8Array(request.body),
        redirect: "manual",
        signal: AbortSignal.any([timeout, stopped.signal]),
      });
      const content = await response.text();
      await sql`
        insert into net._http_response (id, status_code, content_type, headers, content, timed_out)
        values (
          ${request.id}, ${response.status}, ${response.headers.get("content-type")},
          ${sql.json(Object.fromEntries(response.headers))}, ${content}, false
        )
      `;
    } catch (error) {
      if (stopped.signal.aborted) return;
      const message = timeout.aborted
        ? `Timeout of ${request.timeout_milliseconds} ms reached.`
        : reasonOf(error);
      await sql`
        insert into net._http_response (id, timed_out, error_msg)
        values (${request.id}, ${timeout.aborted ? true : null}, ${message})
      `;
    }
  }

  function report(error: unknown): void {
    if (!stopped.signal.aborted) onError(`pg_net: ${String(error)}`);
  }

  function wake(): void {
    again = true;
    draining ??= (async () => {
      while (again && !stopped.signal.aborted) {
        again = false;
        await drain();
      }
    })()
      .catch(report)
      .finally(() => {
        draining = undefined;
      });
  }

  const subscription = await sql.listen("pg_net_wake", wake, wake);
  return {
    async close() {
      stopped.abort();
      await subscription.unlisten().catch(() => undefined);
      await draining;
    },
  };
}

function reasonOf(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause;
  return cause instanceof Error ? cause.message : String(error);
}
