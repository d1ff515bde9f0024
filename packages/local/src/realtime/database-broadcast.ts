import { type Hub, roomOf } from "./hub.ts";
import type { Change } from "./pgoutput.ts";

/** Sends on what a committed transaction put into realtime.messages. */
export function broadcastInsert(hub: Hub, change: Change, maxPayloadBytes: number) {
  if (change.operation !== "INSERT" || change.relation.schema !== "realtime") return;

  const row = change.record;
  const [id, topic, event, isPrivate] = ["id", "topic", "event", "private"].map((column) =>
    row?.get(column),
  );
  const json = row?.get("payload");
  const bytes = row?.get("binary_payload");
  if (!id || !topic || !event || !isPrivate || (!json && !bytes)) return;

  // bytea arrives in its text form, `\x` and hexadecimal digits.
  const payload = bytes ? Buffer.from(bytes.slice(2), "hex") : Buffer.from(json ?? "", "utf8");
  if (payload.length > maxPayloadBytes) return;

  hub.broadcast(roomOf(topic, isPrivate === "t"), {
    event,
    encoding: bytes ? "binary" : "json",
    payload,
    meta: { id },
  });
}
