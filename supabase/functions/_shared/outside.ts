// One POST to an address that somebody typed in. It must not become a way into our own network: https alone,
// no address that is not public, and the address that was looked at is the one that is connected to, so that
// a name which answers differently the second time gains nothing. A redirect is an answer, not a way on.

import { lookup } from "node:dns/promises";
import { BlockList, connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Address {
  address: string;
  family: number;
}

export interface OutsideOptions {
  /** For tests and the local stack: http, any port and private addresses too. */
  allowPrivate?: boolean;
  timeoutMs?: number;
  resolve?: (host: string) => Promise<Address[]>;
  /** Certificates to trust besides the known ones. */
  ca?: string;
}

export interface OutsideAnswer {
  status: number;
  retryAfter: string | null;
}

/** There was no answer, or nothing was asked: the message says why and holds nothing secret. */
export class OutsideError extends Error {
  override name = "OutsideError";
}

export type PostOutside = (
  url: string,
  headers: Record<string, string>,
  body: string,
  signal?: AbortSignal,
) => Promise<OutsideAnswer>;

const blocked = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  blocked.addSubnet(network, bits, "ipv4");
}

// Of IPv6 only what is routed in public, without those parts of it that lead to an IPv4 address or nowhere.
const routed = new BlockList();
routed.addSubnet("2000::", 3, "ipv6");
for (const [network, bits] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const) {
  blocked.addSubnet(network, bits, "ipv6");
}

export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !blocked.check(address, "ipv4");
    case 6:
      return routed.check(address, "ipv6") && !blocked.check(address, "ipv6");
    default:
      return false;
  }
}

async function addressOf(url: URL, options: OutsideOptions): Promise<string> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const resolve = options.resolve ?? ((name: string) => lookup(name, { all: true }));
  const found = isIP(host)
    ? [{ address: host, family: isIP(host) }]
    : await resolve(host).catch(() => []);
  const [first] = found;
  if (!first) throw new OutsideError("the name cannot be resolved");
  if (!options.allowPrivate && !found.every(({ address }) => isPublicAddress(address))) {
    throw new OutsideError("the address is not public");
  }
  return first.address;
}

function check(text: string, options: OutsideOptions): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || url.username || url.password) throw new OutsideError("this is no address");
  const isTls = url.protocol === "https:";
  if (!isTls && !(options.allowPrivate && url.protocol === "http:")) {
    throw new OutsideError("only https is sent to");
  }
  if (!options.allowPrivate && url.port !== "") throw new OutsideError("only port 443 is sent to");
  return url;
}

/** Resolves once the socket says so. */
function ready(socket: Socket, event: "connect" | "secureConnect", signal: AbortSignal) {
  return new Promise<void>((resolve, reject) => {
    const settle = (work: () => void) => {
      signal.removeEventListener("abort", aborted);
      work();
    };
    const fail = (message: string) =>
      settle(() => {
        socket.destroy();
        reject(new OutsideError(message));
      });
    const aborted = () => fail("no answer in time");
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted, { once: true });
    socket.on("error", () => fail("the connection failed"));
    socket.on("close", () => fail("the connection failed"));
    socket.once(event, () => settle(resolve));
  });
}

async function open(url: URL, address: string, ca: string | undefined, signal: AbortSignal) {
  const isTls = url.protocol === "https:";
  const to = { host: address, port: Number(url.port || (isTls ? 443 : 80)) };
  const name = url.hostname.replace(/^\[|\]$/g, "");
  const socket = isTls
    ? // The certificate must be of the name, whichever address it has.
      connectTls({ ...to, ...(isIP(name) ? {} : { servername: name }), ...(ca ? { ca } : {}) })
    : connectTcp(to);
  await ready(socket, isTls ? "secureConnect" : "connect", signal);
  return socket;
}

/** Status and Retry-After of a response head; null while it is not complete. 1xx are passed over. */
function headOf(text: string): OutsideAnswer | null {
  let rest = text;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) return null;
    const [line = "", ...fields] = rest.slice(0, end).split("\r\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(line)?.[1]);
    if (!status) throw new OutsideError("the answer is not HTTP");
    if (status >= 200) {
      const field = fields.find((one) => /^retry-after:/i.test(one));
      return { status, retryAfter: field ? field.slice(field.indexOf(":") + 1).trim() : null };
    }
    rest = rest.slice(end + 4);
  }
}

const longestHead = 32 * 1024;

/** The body of the answer is not read: nobody may learn from it what stands behind an address. */
function exchange(socket: Socket, request: Uint8Array, signal: AbortSignal) {
  return new Promise<OutsideAnswer>((resolve, reject) => {
    let head = "";
    const settle = (work: () => void) => {
      signal.removeEventListener("abort", aborted);
      socket.destroy();
      work();
    };
    const fail = (message: string) => settle(() => reject(new OutsideError(message)));
    const aborted = () => fail("no answer in time");
    signal.addEventListener("abort", aborted, { once: true });
    socket.on("error", () => fail("the connection failed"));
    socket.on("close", () => fail("the connection was closed without an answer"));
    socket.on("data", (chunk: Uint8Array) => {
      head += new TextDecoder("latin1").decode(chunk);
      try {
        const answer = headOf(head);
        if (answer) settle(() => resolve(answer));
        else if (head.length > longestHead) fail("the answer is too large");
      } catch (error) {
        settle(() => reject(error));
      }
    });
    socket.write(request);
  });
}

export function createPostOutside(options: OutsideOptions = {}): PostOutside {
  return async (text, headers, body, given) => {
    const url = check(text, options);
    const timeout = AbortSignal.timeout(options.timeoutMs ?? 15_000);
    const signal = given ? AbortSignal.any([timeout, given]) : timeout;
    const address = await addressOf(url, options);
    given?.throwIfAborted();
    const bytes = new TextEncoder().encode(body);
    const lines = Object.entries({
      host: url.host,
      "user-agent": "Intake-Webhooks/1",
      accept: "*/*",
      "content-type": "application/json",
      "content-length": String(bytes.length),
      connection: "close",
      ...headers,
    }).map(([name, value]) => `${name}: ${value.replace(/[\r\n]/g, "")}\r\n`);
    const head = `POST ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}\r\n`;
    const request = new Uint8Array([...new TextEncoder().encode(head), ...bytes]);
    try {
      const socket = await open(url, address, options.ca, signal);
      return await exchange(socket, request, signal);
    } catch (error) {
      // The worker stops, or lost the job: that says nothing about the endpoint.
      given?.throwIfAborted();
      throw error;
    }
  };
}
