// A person's tasks, reminders, calls and meetings for calendar programs, behind a link that is itself the secret.

import { type CalendarFeed, calendarFeedSchema } from "@intake/types";
import { type App, createApp, type Surroundings } from "../_shared/app.ts";
import { sha256Hex } from "../_shared/crypto.ts";
import { ApiError } from "../_shared/errors.ts";
import { originOf, refuseToWait } from "../_shared/limit.ts";
import { calendar } from "./ics.ts";

export interface CalendarDeps extends Surroundings {
  /** `headers` say where the request comes from, to whoever limits guessing. */
  feed(tokenHash: string, headers: Record<string, string>): Promise<CalendarFeed>;
}

const form = /^([0-9a-f]{64})\.ics$/;

export function createCalendar(deps: CalendarDeps): App {
  const app = createApp({
    name: "calendar",
    title: "Intake calendar",
    description: "A person's tasks, reminders, calls and meetings as an iCalendar feed.",
    maxBodyBytes: 1024,
    // The path is the secret.
    describePath: (path) => (path.endsWith("/openapi.json") ? path : "/calendar/:file"),
    allowedOrigins: deps.allowedOrigins,
    limiter: deps.limiter,
    log: deps.log,
  });

  app.route(
    {
      method: "get",
      path: "/:file",
      id: "calendar_feed",
      summary: "The feed",
      description:
        "`<token>.ics`, as calendar_link_create() gives it. Unknown, revoked and of a person who is no longer active are the same.",
      responses: {
        200: { description: "The calendar", contentType: "text/calendar" },
        404: { description: "There is no such calendar" },
        429: { description: "Too many requests; Retry-After says how long to wait" },
      },
    },
    async (c) => {
      // Whatever does not look like a token is looked up all the same: one way for all, and counted.
      const token = form.exec(c.req.param("file") ?? "")?.[1] ?? "";
      const hash = await sha256Hex(new TextEncoder().encode(token));
      const feed = calendarFeedSchema.parse(await deps.feed(hash, originOf(c)));

      if (feed.retry_after > 0) throw refuseToWait(c, feed.retry_after);
      if (!feed.found) throw new ApiError(404, "not_found", "There is no such calendar.");

      return c.body(calendar(feed.name ?? "", feed.items ?? []), 200, {
        "content-type": "text/calendar; charset=utf-8",
        "content-disposition": 'inline; filename="intake.ics"',
        "cache-control": "private, max-age=300",
      });
    },
  );

  return app;
}
