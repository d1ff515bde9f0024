// Reports as files, for who waits for one: starts it, waits for the worker, answers a link that ends.

import {
  errorCodes,
  type ReportExported,
  reportExportedSchema,
  reportExportSchema,
  reportPendingSchema,
} from "@intake/types";
import { z } from "zod";
import { type App, createApp, type Surroundings } from "../_shared/app.ts";
import type { IdentifyCaller } from "../_shared/caller.ts";
import { sha256Hex } from "../_shared/crypto.ts";
import type { Claims } from "../_shared/db.ts";
import { ApiError } from "../_shared/errors.ts";
import { originOf, refuseToWait } from "../_shared/limit.ts";
import type { Files, Run, Runs } from "./store.ts";

export interface ReportsDeps extends Surroundings {
  identify: IdentifyCaller;
  runs: Runs;
  files: Files;
  /** How long an export is waited for. */
  waitMs?: number;
  pauseMs?: number;
}

/** A link cannot be taken back, so it is short; another is made whenever it is asked for. */
const linkSeconds = 900;

const tokenForm = /^[0-9a-f]{64}$/;

const statuses: Record<string, number> = {
  permission_denied: 403,
  not_found: 404,
  export_too_large: 413,
  export_interrupted: 503,
};

function failed(run: Run): ApiError {
  const code = errorCodes.find((one) => one === run.failure) ?? "report_invalid";
  return new ApiError(statuses[code] ?? 422, code, "The report was not written.", run.id);
}

export function createReports(deps: ReportsDeps): App {
  const { runs, files, waitMs = 25_000, pauseMs = 400 } = deps;
  const app = createApp({
    name: "reports",
    title: "Intake reports",
    description: "Reports as files behind links that end.",
    maxBodyBytes: 4096,
    // The path of a file is a secret.
    describePath: (path) => path.replace(/\/files\/.*/, "/files/:token"),
    allowedOrigins: deps.allowedOrigins,
    limiter: deps.limiter,
    log: deps.log,
  });
  const bearer = { authorization: { description: "Bearer and the access token", required: true } };
  const refusals = {
    401: { description: "Not signed in" },
    403: { description: "Needs reports.view and reports.export" },
  };

  async function ended(caller: Claims, id: string): Promise<Run> {
    const until = Date.now() + waitMs;
    for (;;) {
      const run = await runs.look(caller, id);
      if (!run) throw new ApiError(404, "not_found", "There is no such report.");
      const isOpen = run.status === "queued" || run.status === "running";
      if (!isOpen || Date.now() >= until) return run;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async function link(authorization: string, run: Run): Promise<ReportExported> {
    if (run.status === "failed") throw failed(run);
    const seconds = Math.min(linkSeconds, run.seconds_left);
    if (run.status === "expired" || !run.storage_path || seconds === 0) {
      throw new ApiError(404, "not_found", "The file is over. Export the report again.");
    }
    const expiresAt = new Date(Date.now() + seconds * 1000).toISOString();
    return reportExportedSchema.parse({
      download_url: await files.signAs(authorization, run.storage_path, seconds),
      expires_at: expiresAt,
    });
  }

  app.route(
    {
      method: "post",
      path: "/export",
      id: "report_export",
      summary: "Write a report and answer a link to the file",
      description:
        "Waits for the file. One that takes longer is answered with 202 and found in report_runs, whose download_url leads to it.",
      headers: bearer,
      body: { schema: reportExportSchema },
      responses: {
        200: { description: "The file is there", schema: reportExportedSchema },
        202: { description: "The file is being written", schema: reportPendingSchema },
        404: { description: "There is no such report to be seen" },
        422: { description: "Not in this format, or not to be written" },
        ...refusals,
      },
    },
    async (c) => {
      const authorization = c.req.header("authorization");
      const caller = await deps.identify(authorization);
      const { report_id, format } = reportExportSchema.parse(await c.req.json().catch(() => null));
      const id = await runs.start(caller, report_id, format, c.get("requestId"));
      const run = await ended(caller, id);
      if (run.status === "queued" || run.status === "running") {
        return c.json(reportPendingSchema.parse({ run_id: id, status: run.status }), 202);
      }
      return c.json(await link(authorization ?? "", run));
    },
  );

  app.route(
    {
      method: "get",
      path: "/runs/:id/file",
      id: "report_file",
      summary: "Redirects to the file of one's own run",
      headers: bearer,
      responses: {
        302: { description: "To the file" },
        404: { description: "No such run, not ready yet, or over" },
        ...refusals,
      },
    },
    async (c) => {
      const authorization = c.req.header("authorization");
      const caller = await deps.identify(authorization);
      const id = z.uuid().safeParse(c.req.param("id"));
      const run = id.success ? await runs.look(caller, id.data) : null;
      if (!run) throw new ApiError(404, "not_found", "There is no such report.");
      return c.redirect((await link(authorization ?? "", run)).download_url, 302);
    },
  );

  app.route(
    {
      method: "get",
      path: "/files/:token",
      id: "report_link",
      summary: "Redirects to the file a link was sent for",
      description:
        "The link is the secret. Unknown, over, and of somebody who may export no more are the same.",
      responses: {
        302: { description: "To the file" },
        404: { description: "There is no such file" },
        429: { description: "Too many requests; Retry-After says how long to wait" },
      },
    },
    async (c) => {
      // Whatever does not look like a token is looked up all the same: one way for all, and counted.
      const given = c.req.param("token") ?? "";
      const token = tokenForm.test(given) ? given : "";
      const hash = await sha256Hex(new TextEncoder().encode(token));
      const opened = await runs.open(hash, originOf(c));
      if (opened.retry_after > 0) throw refuseToWait(c, opened.retry_after);
      if (!opened.found || !opened.path) {
        throw new ApiError(404, "not_found", "There is no such file.");
      }
      return c.redirect(await files.sign(opened.path, 60), 302);
    },
  );

  return app;
}
