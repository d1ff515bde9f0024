import type { WebSocket } from "ws";
import { Channel, type Connection } from "./channel.ts";
import type { Context } from "./context.ts";
import { JoinRefused, parseJoin } from "./join.ts";
import {
  decode,
  type Encoded,
  encode,
  type Frame,
  ProtocolError,
  type Version,
} from "./protocol.ts";
import type { Identity } from "./tokens.ts";

const TOO_FAR_BEHIND_BYTES = 32 * 1024 * 1024;

/** One websocket and the channels it has joined. */
export class RealtimeSocket implements Connection {
  readonly version: Version;
  readonly headers: Record<string, string>;
  readonly keyHolder: Identity;
  readonly #context: Context;
  readonly #webSocket: WebSocket;
  readonly #channels = new Map<string, Channel>();
  /** Messages of one topic are handled in the order they came, whatever each has to wait for. */
  readonly #queues = new Map<string, Promise<void>>();
  #idleTimer: NodeJS.Timeout;

  constructor(
    context: Context,
    webSocket: WebSocket,
    options: Pick<Connection, "version" | "headers" | "keyHolder">,
  ) {
    this.#context = context;
    this.#webSocket = webSocket;
    this.version = options.version;
    this.headers = options.headers;
    this.keyHolder = options.keyHolder;
    this.#idleTimer = setTimeout(() => webSocket.close(1000), context.limits.idleSocketMs).unref();

    webSocket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary));
    webSocket.on("error", () => webSocket.terminate());
    webSocket.on("close", () => this.#end());
  }

  send(message: Encoded) {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    if (this.#webSocket.bufferedAmount > TOO_FAR_BEHIND_BYTES) this.#webSocket.terminate();
    else this.#webSocket.send(message);
  }

  onChannelClosed(channel: Channel) {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic);
    this.#sendClose(channel);
  }

  #receive(data: Buffer, isBinary: boolean) {
    this.#idleTimer.refresh();
    let frame: Frame;
    try {
      frame = decode(this.version, data, isBinary);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#webSocket.close(1002, error.message);
      return;
    }

    if (frame.topic === "phoenix") {
      if (frame.event === "heartbeat") this.#reply(frame, "ok", {});
      return;
    }
    const { topic } = frame;
    const queue = (this.#queues.get(topic) ?? Promise.resolve())
      .then(() => this.#handle(frame))
      .catch((error: Error) => this.#crash(frame, error))
      .finally(() => {
        if (this.#queues.get(topic) === queue) this.#queues.delete(topic);
      });
    this.#queues.set(topic, queue);
  }

  async #handle(frame: Frame) {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    if (frame.event === "phx_join") return this.#join(frame);

    const channel = this.#channels.get(frame.topic);
    // A message of an earlier join of the same topic is late, not wrong.
    if (channel && frame.joinRef !== null && frame.joinRef !== channel.joinRef) return;
    if (frame.event === "phx_leave") {
      if (channel) this.#leave(channel);
      this.#reply(frame, "ok", {});
      if (channel) this.#sendClose(channel);
      return;
    }
    if (!channel) return this.#reply(frame, "error", { reason: "unmatched topic" });

    const reply = await channel.handle(frame.event, frame.payload);
    if (reply) this.#reply(frame, reply.status, reply.response);
  }

  async #join(frame: Frame) {
    const previous = this.#channels.get(frame.topic);
    if (previous) {
      this.#leave(previous);
      this.#sendClose(previous);
    }

    const refusal = this.#refusal(frame.topic);
    if (refusal) return this.#reply(frame, "error", { reason: refusal });

    const joinRef = frame.joinRef ?? frame.ref;
    const request = parseJoin(frame.payload);
    const channel = new Channel(this.#context, this, frame.topic, joinRef, request);
    this.#channels.set(frame.topic, channel);
    try {
      await channel.join((response) => this.#reply(frame, "ok", response));
    } catch (error) {
      this.#leave(channel);
      if (!(error instanceof JoinRefused)) throw error;
      this.#reply(frame, "error", { reason: error.message });
    }
  }

  #refusal(topic: string): string | null {
    if (topic === "realtime:") return "TopicNameRequired: You must provide a topic name";
    if (!topic.startsWith("realtime:")) return "unmatched topic";
    if (this.#channels.size >= this.#context.limits.maxChannelsPerClient) {
      return "ChannelRateLimitReached: Too many channels";
    }
    return null;
  }

  #leave(channel: Channel) {
    channel.close();
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic);
  }

  #crash(frame: Frame, error: Error) {
    this.#context.log(`UnknownErrorOnChannel: ${error.message} (topic ${frame.topic})`);
    const channel = this.#channels.get(frame.topic);
    if (channel) this.#leave(channel);
    if (frame.event === "phx_join") {
      this.#reply(frame, "error", { reason: "Unknown Error on Channel" });
    } else if (channel) {
      const { topic, joinRef } = channel;
      const message = { joinRef, ref: joinRef, topic, event: "phx_error", payload: {} };
      this.send(encode(this.version, message));
    }
  }

  #end() {
    clearTimeout(this.#idleTimer);
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #reply(frame: Frame, status: "ok" | "error", response: unknown) {
    const { joinRef, ref, topic } = frame;
    const payload = { status, response };
    this.send(encode(this.version, { joinRef, ref, topic, event: "phx_reply", payload }));
  }

  #sendClose({ topic, joinRef }: Channel) {
    this.send(
      encode(this.version, { joinRef, ref: joinRef, topic, event: "phx_close", payload: {} }),
    );
  }
}
