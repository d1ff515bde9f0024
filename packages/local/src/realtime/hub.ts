import {
  type Encoded,
  encode,
  encodeUserBroadcast,
  isUserBroadcast,
  type UserBroadcast,
  type Version,
} from "./protocol.ts";

/** A channel that one socket has joined, as the others see it. */
export interface Member {
  /** The topic as joined, `realtime:` included. */
  readonly topic: string;
  readonly version: Version;
  readonly canReadBroadcast: boolean;
  readonly canReadPresence: boolean;
  /** Messages it was given on joining, which must not reach it twice. */
  readonly replayed: ReadonlySet<string>;
  deliver(message: Encoded): void;
}

/** What may be broadcast: a user's bytes, or a ready payload from a vsn 1 client. */
export type Broadcast = UserBroadcast | Record<string, unknown>;

/** Public and private channels of one name do not hear each other. */
export function roomOf(name: string, isPrivate: boolean): string {
  return `${isPrivate ? "private" : "public"}:${name}`;
}

export class Hub {
  readonly #rooms = new Map<string, Set<Member>>();

  join(room: string, member: Member) {
    const members = this.#rooms.get(room);
    if (members) members.add(member);
    else this.#rooms.set(room, new Set([member]));
  }

  leave(room: string, member: Member) {
    const members = this.#rooms.get(room);
    members?.delete(member);
    if (members?.size === 0) this.#rooms.delete(room);
  }

  broadcast(room: string, message: Broadcast, except?: Member) {
    const encoded = new Map<Version, Encoded | null>();
    const id = messageId(message);
    for (const member of this.#rooms.get(room) ?? []) {
      if (member === except || !member.canReadBroadcast) continue;
      if (id !== null && member.replayed.has(id)) continue;
      if (!encoded.has(member.version)) {
        encoded.set(member.version, encodeBroadcast(member.version, member.topic, message));
      }
      const frame = encoded.get(member.version);
      if (frame) member.deliver(frame);
    }
  }

  presenceDiff(room: string, diff: unknown) {
    for (const member of this.#rooms.get(room) ?? []) {
      if (!member.canReadPresence) continue;
      member.deliver(
        encode(member.version, {
          joinRef: null,
          ref: null,
          topic: member.topic,
          event: "presence_diff",
          payload: diff,
        }),
      );
    }
  }
}

export function encodeBroadcast(
  version: Version,
  topic: string,
  message: Broadcast,
): Encoded | null {
  return isUserBroadcast(message)
    ? encodeUserBroadcast(version, topic, message)
    : encode(version, { joinRef: null, ref: null, topic, event: "broadcast", payload: message });
}

function messageId(message: Broadcast): string | null {
  const meta = message.meta as { id?: unknown } | undefined;
  return typeof meta?.id === "string" ? meta.id : null;
}
