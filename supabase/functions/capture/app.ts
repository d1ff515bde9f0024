// What programs with an API key send: enquiries of people. The answer is the same whoever they are.

import { captureAcceptedSchema, captureFormSchema, captureLeadSchema } from "@intake/types";
import { createMiddleware } from "hono/factory";
import { type App, type AppEnv, createApp } from "../_shared/app.ts";
import { sha256Hex } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import type { CaptureDeps, Once } from "./deps.ts";
import { type Body, enquiryOf, formFields, readBody } from "./enquiry.ts";
import { requireKey } from "./key.ts";

const keyHeader = {
  "x-api-key": { description: "The key; a form may send it as `_key` instead", required: true },
};

const refusals = {
  401: { description: "Not a key, or one that is revoked or has expired" },
  403: { description: "Without the scope, or from a site that is not on the list" },
};

const textOf = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

async function onceOf(body: Body, header: string | undefined): Promise<Once | null> {
  const key = header ?? textOf(body.fields[formFields.once]);
  if (key === undefined) return null;
  if (!/^[!-~]{1,200}$/.test(key)) {
    throw new ApiError(422, "body_invalid", "This is no idempotency key.", "Idempotency-Key");
  }
  return { key, bodyHash: await sha256Hex(body.raw) };
}

export function createCapture(deps: CaptureDeps): App {
  const app = createApp({
    name: "capture",
    title: "Intake capture",
    description: "Where forms and programs with an API key send enquiries.",
    maxBodyBytes: 64 * 1024,
    allowedOrigins: deps.allowedOrigins,
    allowedHeaders: ["x-api-key", "idempotency-key"],
    limiter: deps.limiter,
    log: deps.log,
  });
  const allowed = new Set(deps.allowedOrigins ?? []);

  // A browser asks nobody before it sends a plain form, so CORS alone would let one through from anywhere.
  const ownSites = createMiddleware<AppEnv>(async (c, next) => {
    const origin = c.req.header("origin");
    if (origin !== undefined && !allowed.has(origin)) {
      throw new ApiError(403, "origin_refused", "Forms of this site are not taken.");
    }
    await next();
  });

  /** Where a plain form wants its visitor to go: one of our own sites, or nowhere. */
  function nextOf(body: Body): string | null {
    const next = body.isForm ? textOf(body.fields[formFields.next]) : undefined;
    if (next === undefined) return null;
    if (!URL.canParse(next) || !allowed.has(new URL(next).origin)) {
      throw new ApiError(422, "body_invalid", "The page is not of an allowed site.", "_next");
    }
    return next;
  }

  app.route(
    {
      method: "post",
      path: "/leads",
      id: "capture_lead",
      summary: "Send an enquiry",
      description:
        "JSON, or a form of a website. Any answers: lead_source_mappings (provider form) says which go where. One person is one lead, however often they ask.",
      headers: {
        ...keyHeader,
        "idempotency-key": {
          description: "The same one within a week is answered as the first and does nothing",
        },
      },
      body: { schema: captureLeadSchema },
      responses: {
        202: { description: "Taken", schema: captureAcceptedSchema },
        303: { description: "Taken; a form goes on to its `_next`" },
        ...refusals,
        409: { description: "The idempotency key came with another body before" },
        413: { description: "Larger than 64 kB" },
        415: { description: "Neither JSON nor a form" },
        422: { description: "Not of the expected form, or nobody who could be reached" },
      },
    },
    ownSites,
    async (c) => {
      const header = c.req.header("x-api-key");
      // A key that comes first is looked at first: nobody's body is read for a key that is none.
      const early = header ? await requireKey(c, deps.keys, header, "leads.create") : null;
      const body = await readBody(c);
      const keyId =
        early ??
        (await requireKey(c, deps.keys, textOf(body.fields[formFields.key]), "leads.create"));
      const next = nextOf(body);
      const once = await onceOf(body, c.req.header("idempotency-key"));
      const enquiry = enquiryOf(body);
      const reference = enquiry
        ? await deps.enquiries.take(
            keyId,
            body.isForm ? "form" : "api",
            enquiry,
            once,
            c.get("requestId"),
          )
        : crypto.randomUUID();
      if (!enquiry) c.get("log").log("info", "honeypot", { key_id: keyId });
      if (next) return c.redirect(next, 303);
      return c.json(captureAcceptedSchema.parse({ accepted: true, reference }), 202);
    },
  );

  app.route(
    {
      method: "get",
      path: "/form",
      id: "capture_form",
      summary: "Which custom fields a form may ask for",
      headers: keyHeader,
      responses: { 200: { description: "The fields", schema: captureFormSchema }, ...refusals },
    },
    ownSites,
    async (c) => {
      await requireKey(c, deps.keys, c.req.header("x-api-key"), "forms.read");
      return c.json(captureFormSchema.parse({ fields: await deps.enquiries.fields() }));
    },
  );

  return app;
}
