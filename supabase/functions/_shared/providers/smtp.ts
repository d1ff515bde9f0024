// Any mail server by SMTP, Amazon SES among them. The platform closes ports 25 and 587: what listens there
// listens on 465 (TLS from the start) as well, or on 2525 (TLS by STARTTLS).

import { Buffer } from "node:buffer";
import { z } from "zod";
import {
  type Carrier,
  carrierTimeoutMs,
  messageIdOf,
  unsubscribeHeaders,
  withinTime,
} from "./carrier.ts";
import {
  NotConnectedError,
  PermanentError,
  RetryAfterError,
  UnknownOutcomeError,
} from "./outcome.ts";

export interface SmtpOptions {
  host: string;
  port: number;
  user?: string | undefined;
  password?: string | undefined;
  from?: string | undefined;
  timeoutMs?: number;
  /** For a server on this machine, which has no certificate. */
  allowsPlain?: boolean;
}

const failureSchema = z.object({
  code: z.string().optional(),
  syscall: z.string().optional(),
  responseCode: z.number().optional(),
});

function refusal(error: unknown): Error {
  if (error instanceof UnknownOutcomeError) return error;
  const { code, syscall, responseCode } = failureSchema.safeParse(error).data ?? {};
  if (code === "EAUTH") return new NotConnectedError("the mail server does not take the password");
  if (responseCode && responseCode >= 500) {
    return new PermanentError(`provider_refused: SMTP ${responseCode}`);
  }
  if (responseCode && responseCode >= 400) return new RetryAfterError(`SMTP ${responseCode}`, 300);
  // Nothing was sent to whom there was no connection. Any other silence may follow the message.
  if (code === "EDNS" || code === "ETLS" || syscall === "connect") {
    return new RetryAfterError("the mail server is not to be had", 60);
  }
  return new UnknownOutcomeError("the mail server did not answer");
}

const closedPorts = [25, 587];

export function createSmtp(options: SmtpOptions): Carrier {
  const { host, port, user, password, timeoutMs = carrierTimeoutMs } = options;
  return async (message, files) => {
    if (closedPorts.includes(port)) {
      throw new NotConnectedError(`port ${port} is closed on the platform: use 465 or 2525`);
    }
    const from = message.sender ?? options.from ?? user;
    if (!from) throw new NotConnectedError("there is no address to send from");
    const { createTransport } = await import("nodemailer");
    const transport = createTransport({
      host,
      port,
      secure: port === 465,
      requireTLS: !options.allowsPlain,
      ignoreTLS: options.allowsPlain ?? false,
      ...(user && password ? { auth: { user, pass: password } } : {}),
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      // What is attached is bytes; nothing is read from this machine or from anywhere else.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const messageId = messageIdOf(message, from);
    const headers = unsubscribeHeaders(message);
    try {
      const sending = transport.sendMail({
        messageId,
        from: { address: from, name: message.from_name ?? "" },
        to: message.recipient,
        ...(message.cc ? { cc: message.cc } : {}),
        ...(message.bcc ? { bcc: message.bcc } : {}),
        subject: message.subject ?? "",
        [message.data.format === "html" ? "html" : "text"]: message.content,
        ...(message.reply_to ? { inReplyTo: message.reply_to, references: message.reply_to } : {}),
        headers,
        ...(message.is_marketing && Object.keys(headers).length === 0
          ? { list: { unsubscribe: `mailto:${from}?subject=unsubscribe` } }
          : {}),
        attachments: files.map(({ name, mimeType, bytes }) => ({
          filename: name,
          contentType: mimeType,
          content: Buffer.from(bytes),
        })),
      });
      // A conversation of several steps, each of which has its own bound.
      await withinTime(sending, 3 * timeoutMs);
      return { provider: "smtp", messageId };
    } catch (error) {
      throw refusal(error);
    } finally {
      transport.close();
    }
  };
}
