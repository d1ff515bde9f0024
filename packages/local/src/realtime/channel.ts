import {
  type Answer,
  type Extension,
  type Policies,
  readPolicies,
  writePolicies,
} from "./authorization.ts";
import type { Context } from "./context.ts";
import { type Broadcast, encodeBroadcast, type Member, roomOf } from "./hub.ts";
import { asObject, JoinRefused, type JoinRequest } from "./join.ts";
import { type Encoded, encode, isUserBroadcast, type Version } from "./protocol.ts";
import { replayMessages } from "./replay.ts";
import { type Identity, identify, isOpaqueKey, TokenError } from "./tokens.ts";

/** What a channel needs of the socket that joined it. */
export interface Connection {
  readonly version: Version;
  /** The request's own `x-` headers, which policies may read. */
  readonly headers: Record<string, string>;
  /** Who the API key stands for, for as long as the client sends no token. */
  readonly keyHolder: Identity;
  send(message: Encoded): void;
  /** Called once, when the channel ends without the client having asked for it. */
  onChannelClosed(channel: Channel): void;
}

export interface Reply {
  status: "ok" | "error";
  response: unknown;
}

const OK: Reply = { status: "ok", response: {} };

/** One topic joined by one socket. */
export class Channel implements Member {
  readonly topic: string;
  readonly joinRef: string | null;
  readonly version: Version;
  readonly replayed = new Set<string>();
  readonly #context: Context;
  readonly #connection: Connection;
  readonly #request: JoinRequest;
  readonly #name: string;
  readonly #room: string;
  #token: string | null;
  #identity: Identity;
  /** Null on a public channel, where everybody may do everything. */
  #policies: Policies | null = null;
  #tokenTimer: NodeJS.Timeout | undefined;
  #usesPresence: boolean;
  #presenceEvents = { count: 0, resetAt: 0 };
  #closed = false;

  constructor(
    context: Context,
    connection: Connection,
    topic: string,
    joinRef: string | null,
    request: JoinRequest,
  ) {
    this.topic = topic;
    this.joinRef = joinRef;
    this.version = connection.version;
    this.#context = context;
    this.#connection = connection;
    this.#request = request;
    this.#name = topic.slice("realtime:".length);
    this.#room = roomOf(this.#name, request.isPrivate);
    this.#identity = connection.keyHolder;
    this.#usesPresence = request.presence.enabled;
    const { accessToken } = request;
    this.#token = accessToken && !isOpaqueKey(accessToken) ? accessToken : null;
  }

  get canReadBroadcast(): boolean {
    return !this.#request.isPrivate || this.#policies?.broadcast.read === true;
  }

  get canReadPresence(): boolean {
    return !this.#request.isPrivate || this.#policies?.presence.read === true;
  }

  /** Who the channel speaks for now; a token refresh changes it. */
  get identity(): Identity {
    return this.#identity;
  }

  /** Checks who joins and what they may read, then listens. Throws `JoinRefused`. */
  async join(reply: (response: unknown) => void): Promise<void> {
    const { isPrivate, broadcast, postgresChanges } = this.#request;
    try {
      this.#identity = await this.#identify();
      if (isPrivate) await this.#authorizeRead();
      else if (broadcast.replay !== undefined) {
        throw new JoinRefused(
          "UnableToReplayMessages",
          "Replay is not allowed for public channels",
        );
      }
    } catch (error) {
      throw asRefusal(error);
    }
    const replay =
      broadcast.replay === undefined
        ? []
        : await replayMessages(this.#context.sql, this.#name, broadcast.replay);
    for (const { id } of replay) this.replayed.add(id);
    if (this.#closed) return;

    this.#context.hub.join(this.#room, this);
    this.#scheduleTokenCheck();
    const bindings = this.#context.changes.identify(postgresChanges);
    reply({ postgres_changes: bindings.map(({ params, id }) => ({ ...params, id })) });

    for (const { message } of replay) {
      const frame = encodeBroadcast(this.version, this.topic, message);
      if (frame) this.deliver(frame);
    }
    if (this.#usesPresence) this.#syncPresence();
    if (broadcast.replicationReady) {
      this.pushSystem("system", "ok", "Replication connection established");
    }
    if (bindings.length > 0) this.#context.changes.subscribe(this, bindings);
  }

  /** Answers a message of the client; null when there is nothing to answer. */
  async handle(event: string, payload: unknown): Promise<Reply | null> {
    switch (event) {
      case "broadcast":
        return this.#handleBroadcast(payload);
      case "presence":
        return this.#handlePresence(asObject(payload));
      case "access_token":
        await this.#refreshToken(asObject(payload).access_token);
        return null;
      default:
        return null;
    }
  }

  deliver(message: Encoded) {
    if (!this.#closed) this.#connection.send(message);
  }

  push(event: string, payload: unknown) {
    const { joinRef, topic } = this;
    this.deliver(encode(this.version, { joinRef, ref: null, topic, event, payload }));
  }

  pushSystem(extension: string, status: "ok" | "error", message: string) {
    this.push("system", { extension, status, message, channel: this.#name });
  }

  /** Stops listening. Idempotent. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#tokenTimer);
    this.#context.hub.leave(this.#room, this);
    this.#context.presence.untrack(this.#room, this);
    this.#context.changes.unsubscribe(this);
  }

  #shutDown(message: string) {
    if (this.#closed) return;
    this.pushSystem("system", "error", message);
    this.close();
    this.#connection.onChannelClosed(this);
  }

  // Tokens

  async #identify(): Promise<Identity> {
    return this.#token === null
      ? this.#connection.keyHolder
      : identify(this.#token, this.#context.verifyToken);
  }

  #scheduleTokenCheck() {
    clearTimeout(this.#tokenTimer);
    const { expiresAt } = this.#identity;
    if (expiresAt === null) return;
    const left = Math.max(0, expiresAt * 1000 - Date.now());
    const pause = Math.min(this.#context.limits.confirmTokenMs, left);
    this.#tokenTimer = setTimeout(() => void this.#confirmToken(), pause);
    this.#tokenTimer.unref();
  }

  async #confirmToken() {
    try {
      this.#identity = await this.#identify();
      this.#scheduleTokenCheck();
    } catch (error) {
      this.#shutDown((error as Error).message);
    }
  }

  async #refreshToken(token: unknown) {
    if (typeof token !== "string" || isOpaqueKey(token) || token === this.#token) return;

    this.#token = token;
    const previous = this.#policies;
    try {
      this.#identity = await this.#identify();
      if (this.#request.isPrivate) {
        await this.#authorizeRead();
        if (lost(previous, this.#policies)) {
          throw new JoinRefused(
            "Unauthorized",
            `You no longer have permission to read from this Channel topic: ${this.#name}`,
          );
        }
      }
      this.#scheduleTokenCheck();
      this.#context.changes.resubscribe(this);
    } catch (error) {
      // Nothing may arrive between the refusal and the end of the channel.
      this.#policies = { broadcast: {}, presence: {} };
      this.#shutDown(asRefusal(error).detail);
    }
  }

  // Policies

  async #authorizeRead() {
    const extensions: Extension[] = this.#usesPresence ? ["broadcast", "presence"] : ["broadcast"];
    const answer = await this.#ask(readPolicies, extensions);
    this.#policies = {
      broadcast: { read: answer.broadcast ?? false },
      presence: answer.presence === undefined ? {} : { read: answer.presence },
    };
    if (!answer.broadcast && !answer.presence) {
      throw new JoinRefused(
        "Unauthorized",
        `You do not have permissions to read from this Channel topic: ${this.#name}`,
      );
    }
  }

  /** A policy that raises refuses, and says why in the log. */
  async #ask(question: typeof readPolicies, extensions: readonly Extension[]): Promise<Answer> {
    const { sql, log } = this.#context;
    const { role, claims } = this.#identity;
    const caller = { role, claims, headers: this.#connection.headers };
    try {
      return await question(sql, caller, this.#name, extensions);
    } catch (error) {
      if (!isDatabaseError(error)) {
        throw new JoinRefused(
          "UnableToConnectToProject",
          "Realtime was unable to connect to the project database",
        );
      }
      log(`RlsPolicyError: ${error.message} (topic ${this.#name})`);
      return {};
    }
  }

  /** Asked once for each token, and remembered. */
  async #mayWrite(extension: Extension): Promise<boolean> {
    const policies = this.#policies;
    if (!policies) return !this.#request.isPrivate;
    if (policies[extension].write === undefined) {
      try {
        const answer = await this.#ask(writePolicies, [extension]);
        policies[extension].write = answer[extension] ?? false;
      } catch (error) {
        // Not decided: it is asked again when the database is back.
        if (error instanceof JoinRefused) return false;
        throw error;
      }
    }
    return policies[extension].write ?? false;
  }

  // Broadcast

  async #handleBroadcast(payload: unknown): Promise<Reply | null> {
    if (!(await this.#mayWrite("broadcast"))) return null;

    const { ack, self } = this.#request.broadcast;
    const message: Broadcast = isUserBroadcast(payload) ? payload : asObject(payload);
    if (sizeOf(message) > this.#context.limits.maxPayloadBytes) {
      return ack ? { status: "error", response: "payload_size_exceeded" } : null;
    }
    this.#context.hub.broadcast(this.#room, message, self ? undefined : this);
    return ack ? OK : null;
  }

  // Presence

  #syncPresence() {
    if (this.canReadPresence) {
      this.push("presence_state", this.#context.presence.state(this.#room));
    }
  }

  async #handlePresence(payload: Record<string, unknown>): Promise<Reply | null> {
    if (typeof payload.event !== "string") return OK;
    if (!this.#countPresenceEvent()) {
      this.#shutDown("Client presence rate limit exceeded");
      return null;
    }

    switch (payload.event.toLowerCase()) {
      case "track":
        return this.#track(payload.payload ?? {});
      case "untrack":
        this.#context.presence.untrack(this.#room, this);
        return OK;
      default:
        return { status: "error", response: {} };
    }
  }

  async #track(payload: unknown): Promise<Reply | null> {
    const policies = this.#policies;
    if (policies && policies.presence.read === undefined) {
      // The channel was joined without presence: reading it is decided on first use.
      policies.presence.read = (await this.#ask(readPolicies, ["presence"])).presence ?? false;
    }
    const mayTrack = await this.#mayWrite("presence");
    if (!mayTrack || (policies && !policies.presence.write)) {
      return { status: "error", response: {} };
    }
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      const reason = "Presence track payload must be a map";
      return { status: "error", response: { reason } };
    }
    if (sizeOf(payload) > this.#context.limits.maxPayloadBytes) {
      this.#shutDown("Track message size exceeded");
      return null;
    }
    if (!this.#closed) {
      const { key } = this.#request.presence;
      this.#context.presence.track(this.#room, this, key, payload as Record<string, unknown>);
      if (!this.#usesPresence) {
        this.#usesPresence = true;
        this.#syncPresence();
      }
    }
    return OK;
  }

  #countPresenceEvent(): boolean {
    const { maxPresenceEvents, presenceWindowMs } = this.#context.limits;
    const now = Date.now();
    if (now > this.#presenceEvents.resetAt) {
      this.#presenceEvents = { count: 0, resetAt: now + presenceWindowMs };
    }
    return ++this.#presenceEvents.count <= maxPresenceEvents;
  }
}

function lost(previous: Policies | null, current: Policies | null): boolean {
  const extensions: Extension[] = ["broadcast", "presence"];
  return extensions.some(
    (extension) => previous?.[extension].read === true && current?.[extension].read === false,
  );
}

function sizeOf(message: object): number {
  return isUserBroadcast(message)
    ? message.payload.length
    : Buffer.byteLength(JSON.stringify(message));
}

function asRefusal(error: unknown): JoinRefused {
  if (error instanceof JoinRefused) return error;
  if (error instanceof TokenError) return new JoinRefused(error.code, error.message);
  throw error;
}

function isDatabaseError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && error.name === "PostgresError";
}
