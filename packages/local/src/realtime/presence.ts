import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Hub, Member } from "./hub.ts";

interface Meta {
  phx_ref: string;
  phx_ref_prev?: string;
  [field: string]: unknown;
}

interface Entry {
  key: string;
  payload: Record<string, unknown>;
  meta: Meta;
}

type Grouped = Record<string, { metas: Meta[] }>;

/** Who is present in which room. A key may be present once for every connection that tracks it. */
export class Presence {
  readonly #hub: Hub;
  readonly #rooms = new Map<string, Map<Member, Entry>>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  state(room: string): Grouped {
    const state: Grouped = {};
    for (const { key, meta } of this.#rooms.get(room)?.values() ?? []) {
      state[key] ??= { metas: [] };
      state[key].metas.push(meta);
    }
    return state;
  }

  track(room: string, member: Member, key: string, payload: Record<string, unknown>) {
    const entries = this.#rooms.get(room) ?? new Map<Member, Entry>();
    this.#rooms.set(room, entries);

    const previous = entries.get(member);
    if (previous && isDeepStrictEqual(previous.payload, payload)) return;

    const meta: Meta = { ...payload, phx_ref: randomBytes(9).toString("base64url") };
    if (previous) meta.phx_ref_prev = previous.meta.phx_ref;
    entries.set(member, { key, payload, meta });
    this.#hub.presenceDiff(room, {
      joins: { [key]: { metas: [meta] } },
      leaves: previous ? { [key]: { metas: [previous.meta] } } : {},
    });
  }

  untrack(room: string, member: Member) {
    const entries = this.#rooms.get(room);
    const entry = entries?.get(member);
    if (!entries || !entry) return;

    entries.delete(member);
    if (entries.size === 0) this.#rooms.delete(room);
    this.#hub.presenceDiff(room, { joins: {}, leaves: { [entry.key]: { metas: [entry.meta] } } });
  }
}
