import type { Sql } from "postgres";
import { asObject, JoinRefused } from "./join.ts";
import type { UserBroadcast } from "./protocol.ts";

const MOST_MESSAGES = 25;

/** The latest private messages of a topic, oldest first. */
export async function replayMessages(
  sql: Sql,
  topic: string,
  request: unknown,
): Promise<{ id: string; message: UserBroadcast }[]> {
  const { since, limit = MOST_MESSAGES } = asObject(request);
  if (!Number.isInteger(since) || !Number.isInteger(limit)) {
    throw new JoinRefused("UnableToReplayMessages", "Replay params are not valid");
  }
  const count = Math.max(1, Math.min(limit as number, MOST_MESSAGES));
  const rows = await sql<{ id: string; event: string; json: string | null; bytes: Buffer }[]>`
    select id, event, payload::text as json, binary_payload as bytes
    from realtime.messages
    where topic = ${topic}
      and private
      and extension = 'broadcast'
      and inserted_at >= to_timestamp(${(since as number) / 1000}) at time zone 'utc'
    order by inserted_at desc
    limit ${count}`;
  return rows.reverse().map(({ id, event, json, bytes }) => ({
    id,
    message: {
      event,
      encoding: json === null ? "binary" : "json",
      payload: json === null ? bytes : Buffer.from(json, "utf8"),
      meta: { replayed: true, id },
    },
  }));
}
