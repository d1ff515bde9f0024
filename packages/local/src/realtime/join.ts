import { randomUUID } from "node:crypto";

/** A join, or a new token, that is refused; the message is what hosted answers. */
export class JoinRefused extends Error {
  readonly detail: string;

  constructor(code: string, detail: string) {
    super(`${code}: ${detail}`);
    this.detail = detail;
  }
}

/** What a client asks for when it joins a channel. Unreadable parts count as not asked for. */
export interface JoinRequest {
  accessToken: string | null;
  isPrivate: boolean;
  broadcast: { ack: boolean; self: boolean; replicationReady: boolean; replay: unknown };
  presence: { enabled: boolean; key: string };
  postgresChanges: Record<string, unknown>[];
}

export function parseJoin(payload: unknown): JoinRequest {
  const params = asObject(payload);
  const config = asObject(params.config);
  const broadcast = asObject(config.broadcast);
  const presence = asObject(config.presence);
  const changes = Array.isArray(config.postgres_changes) ? config.postgres_changes : [];
  const token = params.user_token ?? params.access_token;
  const key = presence.key;

  return {
    accessToken: typeof token === "string" ? token : null,
    isPrivate: asBoolean(config.private),
    broadcast: {
      ack: asBoolean(broadcast.ack),
      self: asBoolean(broadcast.self),
      replicationReady: asBoolean(broadcast.replication_ready),
      replay: broadcast.replay,
    },
    presence: {
      enabled: asBoolean(presence.enabled),
      key: key === undefined || key === null || key === "" ? randomUUID() : String(key),
    },
    postgresChanges: changes.filter((change) => typeof change === "object" && change !== null),
  };
}

export function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function asBoolean(value: unknown): boolean {
  return value === true || (typeof value === "string" && value.toLowerCase() === "true");
}
