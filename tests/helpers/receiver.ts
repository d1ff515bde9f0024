/** An outside system that is sent webhooks: it checks each signature as its documentation says, and answers as told. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  id: string;
}

export interface ReceiverAnswer {
  status: number;
  headers?: Record<string, string>;
  /** Says nothing at all. */
  hang?: boolean;
}

/** Whether one of the signatures is by this secret: written anew, so that a mistake is not made twice. */
export function isSignedBy(secret: string, { headers, body }: Received): boolean {
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : secret;
  const timestamp = String(headers["webhook-timestamp"]);
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false;
  const expected = createHmac("sha256", key)
    .update(`${headers["webhook-id"]}.${timestamp}.${body}`)
    .digest();
  return String(headers["webhook-signature"])
    .split(" ")
    .some((signature) => {
      const [version, given = ""] = signature.split(",");
      const bytes = Buffer.from(given, "base64");
      return version === "v1" && bytes.length === 32 && timingSafeEqual(bytes, expected);
    });
}

export async function startReceiver() {
  const received: Received[] = [];
  let answer: (request: Received) => ReceiverAnswer = () => ({ status: 204 });
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      const one = { method, path, headers, body, id: String(headers["webhook-id"]) };
      received.push(one);
      const said = answer(one);
      if (said.hang) return;
      response.writeHead(said.status, said.headers);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answerWith(how: (request: Received) => ReceiverAnswer) {
      answer = how;
    },
    async close() {
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await ended;
    },
  };
}
