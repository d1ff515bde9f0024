// The frame of every function: request id, log line, security headers, CORS by allow-list, rate and
// body limit, one answer for every error, and the OpenAPI document.

import { intakeErrorSchema } from "@intake/types";
import { type Context, type Handler, Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";
import { ApiError, answerOfDatabaseError, describeError } from "./errors.ts";
import { type Limiter, limitRate } from "./limit.ts";
import { createLogger, type Logger } from "./log.ts";
import { type Operation, openApiDocument } from "./openapi.ts";

export interface AppEnv {
  Variables: { requestId: string; log: Logger };
}

/** What every function is given from outside. */
export interface Surroundings {
  allowedOrigins?: string[] | undefined;
  /** Every function that anybody can reach has one. */
  limiter?: Limiter | undefined;
  log?: Logger | undefined;
}

export interface AppOptions extends Surroundings {
  /** Folder of the function, the first part of its paths. */
  name: string;
  title: string;
  description: string;
  maxBodyBytes?: number;
  /** Request headers of its own that a browser may send, besides those of every function. */
  allowedHeaders?: string[];
  /** What the log says of a path that is itself a secret. */
  describePath?(path: string): string;
}

export interface App {
  readonly hono: Hono<AppEnv>;
  readonly operations: Operation[];
  /** Mounts a route and puts it into the document: there is no way to do one without the other. */
  route(operation: Operation, ...handlers: Handler<AppEnv>[]): void;
  request(path: string, init?: RequestInit): Promise<Response>;
  fetch(request: Request): Promise<Response>;
}

const version = "0.1.0";

const limited = { 429: { description: "Too many requests; Retry-After says how long to wait" } };

function observe(log: Logger, describePath: (path: string) => string): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const given = c.req.header("x-request-id");
    const requestId = given && /^[\w-]{8,100}$/.test(given) ? given : crypto.randomUUID();
    const started = performance.now();
    c.set("requestId", requestId);
    c.set("log", log.with({ request_id: requestId }));
    await next();
    c.header("x-request-id", requestId);
    c.get("log").log(c.res.status >= 500 ? "error" : "info", "request", {
      method: c.req.method,
      path: describePath(c.req.path),
      status: c.res.status,
      ms: Math.round(performance.now() - started),
    });
  };
}

const secure: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next();
  c.header("x-content-type-options", "nosniff");
  c.header("x-frame-options", "DENY");
  c.header("referrer-policy", "no-referrer");
  c.header("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
  c.header("strict-transport-security", "max-age=31536000; includeSubDomains");
  c.header("cache-control", c.res.headers.get("cache-control") ?? "no-store");
};

/** A compressed body could be of any size once it is unpacked; nobody who calls us needs one. */
const refuseEncoded: MiddlewareHandler<AppEnv> = async (c, next) => {
  const encoding = c.req.header("content-encoding");
  if (encoding && encoding.toLowerCase() !== "identity") {
    throw new ApiError(415, "content_encoding_refused", "Send the body without compression.");
  }
  await next();
};

function answer(error: unknown): { status: number; body: unknown } {
  if (error instanceof ApiError) return { status: error.status, body: error.body };
  if (error instanceof z.ZodError) {
    const where = error.issues.map((issue) => issue.path.join(".") || "body").slice(0, 5);
    const refusal = new ApiError(
      422,
      "body_invalid",
      "The body is not of the expected form.",
      where.join(", "),
    );
    return { status: 422, body: refusal.body };
  }
  if (error instanceof HTTPException && error.status < 500) {
    const refusal = new ApiError(error.status, "body_invalid", error.message || "Refused.");
    return { status: error.status, body: refusal.body };
  }
  return (
    answerOfDatabaseError(error) ?? {
      status: 500,
      body: new ApiError(500, "internal_error", "Something went wrong on our side.").body,
    }
  );
}

export function createApp(options: AppOptions): App {
  const log = options.log ?? createLogger({ function: options.name });
  const allowed = new Set(options.allowedOrigins ?? []);
  const operations: Operation[] = [];
  const base = `/${options.name}`;
  const hono = new Hono<AppEnv>().basePath(base) as Hono<AppEnv>;

  hono.use(observe(log, options.describePath ?? ((path) => path)));
  hono.use(secure);
  hono.use(
    cors({
      origin: (origin) => (allowed.has(origin) ? origin : null),
      allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
      allowHeaders: [
        ...["authorization", "apikey", "content-type", "x-client-info", "x-request-id"],
        ...(options.allowedHeaders ?? []),
      ],
      exposeHeaders: ["x-request-id", "retry-after"],
      maxAge: 600,
    }),
  );
  if (options.limiter) hono.use(limitRate(options.limiter));
  hono.use(refuseEncoded);
  hono.use(
    bodyLimit({
      maxSize: options.maxBodyBytes ?? 256 * 1024,
      onError: () => {
        throw new ApiError(413, "body_too_large", "The body is too large.");
      },
    }),
  );

  hono.onError((error, c) => {
    const { status, body } = answer(error);
    if (status >= 500) c.get("log")?.log("error", "failed", describeError(error));
    return c.json(body as object, status as ContentfulStatusCode);
  });

  const document = () => openApiDocument({ ...options, version }, operations, intakeErrorSchema);

  const app: App = {
    hono,
    operations,
    route(operation, ...handlers) {
      const responses = options.limiter
        ? { ...limited, ...operation.responses }
        : operation.responses;
      operations.push({ ...operation, responses });
      hono.on(operation.method.toUpperCase(), [operation.path], ...handlers);
    },
    request: async (path, init) => hono.request(path, init),
    fetch: async (request) => hono.fetch(request),
  };

  app.route(
    {
      method: "get",
      path: "/openapi.json",
      id: `${options.name}_openapi`,
      summary: "This document",
      responses: { 200: { description: "OpenAPI 3.1" } },
    },
    (c) => c.json(document()),
  );

  hono.notFound((c: Context<AppEnv>) => {
    const others = operations.filter((one) => `${base}${one.path}` === c.req.path);
    if (others.length > 0) {
      const methods = others.map((one) => one.method.toUpperCase()).join(", ");
      c.header("allow", methods);
      const refusal = new ApiError(
        405,
        "method_not_allowed",
        "This method is not possible here.",
        methods,
      );
      return c.json(refusal.body, 405);
    }
    return c.json(new ApiError(404, "route_not_found", "There is nothing here.").body, 404);
  });

  return app;
}
