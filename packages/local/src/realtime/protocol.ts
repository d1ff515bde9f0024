/**
 * The frames of a Phoenix channel socket, in both serializations that realtime-js speaks:
 * vsn 1.0.0 (JSON objects) and vsn 2.0.0 (JSON arrays, and a binary frame for user broadcasts).
 */

export type Version = "1.0.0" | "2.0.0";

export interface Frame {
  joinRef: string | null;
  ref: string | null;
  topic: string;
  event: string;
  payload: unknown;
}

/** A user's broadcast whose payload is passed on untouched, whatever it holds. */
export interface UserBroadcast {
  event: string;
  encoding: "json" | "binary";
  payload: Buffer;
  meta?: Record<string, unknown>;
}

export type Encoded = string | Buffer;

const PUSH = 0;
const USER_BROADCAST_PUSH = 3;
const USER_BROADCAST = 4;
const LONGEST_FIELD = 255;

export class ProtocolError extends Error {}

export function isVersion(value: string): value is Version {
  return value === "1.0.0" || value === "2.0.0";
}

export function isUserBroadcast(payload: unknown): payload is UserBroadcast {
  return typeof payload === "object" && payload !== null && "encoding" in payload
    ? Buffer.isBuffer((payload as UserBroadcast).payload)
    : false;
}

export function decode(version: Version, data: Buffer, isBinary: boolean): Frame {
  if (isBinary) return decodeBinary(data);

  let message: unknown;
  try {
    message = JSON.parse(data.toString("utf8"));
  } catch {
    throw new ProtocolError("frame is not JSON");
  }

  if (version === "2.0.0") {
    if (!Array.isArray(message) || message.length < 5) {
      throw new ProtocolError("expected a frame of five parts");
    }
    const [joinRef, ref, topic, event, payload] = message as unknown[];
    return frame(joinRef, ref, topic, event, payload);
  }

  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    throw new ProtocolError("expected a frame that is an object");
  }
  const { join_ref, ref, topic, event, payload } = message as Record<string, unknown>;
  return frame(join_ref, ref, topic, event, payload);
}

export function encode(version: Version, message: Frame): string {
  const { joinRef, ref, topic, event, payload } = message;
  return version === "2.0.0"
    ? JSON.stringify([joinRef, ref, topic, event, payload])
    : JSON.stringify({ join_ref: joinRef, ref, topic, event, payload });
}

/**
 * Null when the version has no way to say it: vsn 1 carries no binary payload, and the fields of a
 * vsn 2 frame hold 255 bytes at most. Hosted drops such messages too.
 */
export function encodeUserBroadcast(
  version: Version,
  topic: string,
  message: UserBroadcast,
): Encoded | null {
  if (version === "1.0.0") {
    if (message.encoding === "binary") return null;
    // The payload is JSON already: parsing it here would lose the precision of large numbers.
    const meta = message.meta ? `,"meta":${JSON.stringify(message.meta)}` : "";
    const payload = `{"event":${JSON.stringify(message.event)},"payload":${message.payload.toString("utf8")},"type":"broadcast"${meta}}`;
    return `{"join_ref":null,"ref":null,"topic":${JSON.stringify(topic)},"event":"broadcast","payload":${payload}}`;
  }

  const meta = message.meta ? JSON.stringify(message.meta) : "";
  const fields = [topic, message.event, meta].map((field) => Buffer.from(field, "utf8"));
  if (fields.some((field) => field.length > LONGEST_FIELD)) return null;
  return Buffer.concat([
    Buffer.from([
      USER_BROADCAST,
      ...fields.map((field) => field.length),
      message.encoding === "json" ? 1 : 0,
    ]),
    ...fields,
    message.payload,
  ]);
}

function frame(
  joinRef: unknown,
  ref: unknown,
  topic: unknown,
  event: unknown,
  payload: unknown,
): Frame {
  if (typeof topic !== "string" || typeof event !== "string") {
    throw new ProtocolError("a frame needs a topic and an event");
  }
  return { joinRef: text(joinRef), ref: text(ref), topic, event, payload: payload ?? {} };
}

function text(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

function decodeBinary(data: Buffer): Frame {
  const kind = data[0];
  if (kind === PUSH) {
    const { fields, rest } = split(data, 1, 4);
    const [joinRef, ref, topic, event] = fields as [string, string, string, string];
    return { joinRef, ref, topic, event, payload: rest };
  }
  if (kind === USER_BROADCAST_PUSH) {
    // Sizes of five fields, then one byte for the encoding, then the fields.
    const encoding = data[6] === 1 ? "json" : "binary";
    const { fields, rest } = split(data, 1, 5, 1);
    const [joinRef, ref, topic, event] = fields as [string, string, string, string];
    const payload: UserBroadcast = { event, encoding, payload: rest };
    return { joinRef, ref, topic, event: "broadcast", payload };
  }
  throw new ProtocolError("unknown kind of binary frame");
}

function split(data: Buffer, start: number, count: number, skip = 0) {
  const sizes = [...data.subarray(start, start + count)];
  if (sizes.length < count) throw new ProtocolError("binary frame is too short");
  let offset = start + count + skip;
  const fields = sizes.map((size) => {
    const field = data.toString("utf8", offset, offset + size);
    offset += size;
    return field;
  });
  if (offset > data.length) throw new ProtocolError("binary frame is too short");
  return { fields, rest: data.subarray(offset) };
}
