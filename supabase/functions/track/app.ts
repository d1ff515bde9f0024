// What links in campaigns tell: opened, followed, no more of it. Every link is signed; nobody signs in.

import type { TrackUnsubscribe } from "@intake/types";
import { type App, createApp, type Surroundings } from "../_shared/app.ts";
import { ApiError } from "../_shared/errors.ts";

export interface TrackDeps extends Surroundings {
  open(token: string): Promise<void>;
  /** Where the link leads; null if it is none of ours. */
  click(token: string): Promise<string | null>;
  unsubscribe(token: string, isPost: boolean): Promise<TrackUnsubscribe>;
}

/** One transparent pixel. */
const pixel = Uint8Array.from(
  atob("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"),
  (character) => character.charCodeAt(0),
);

const notFound = () => new ApiError(404, "not_found", "There is no such link.");

export function createTrack(deps: TrackDeps): App {
  const app = createApp({
    name: "track",
    title: "Intake tracking",
    description: "Opens, clicks and unsubscriptions of campaigns, by signed links.",
    maxBodyBytes: 4096,
    // The path says who it is.
    describePath: (path) => path.replace(/^(\/track\/[a-z])\/.*/, "$1/:token"),
    allowedOrigins: deps.allowedOrigins,
    limiter: deps.limiter,
    log: deps.log,
  });

  app.route(
    {
      method: "get",
      path: "/o/:token",
      id: "track_open",
      summary: "An e-mail was opened",
      description: "Always the same pixel, whatever the token.",
      responses: { 200: { description: "The pixel", contentType: "image/gif" } },
    },
    async (c) => {
      await deps.open(c.req.param("token") ?? "");
      return c.body(pixel, 200, { "content-type": "image/gif" });
    },
  );

  app.route(
    {
      method: "get",
      path: "/c/:token",
      id: "track_click",
      summary: "A link was followed",
      description: "Leads on to a link that stood in the content, and to no other.",
      responses: {
        302: { description: "Where the link leads" },
        404: { description: "There is no such link" },
      },
    },
    async (c) => {
      const url = await deps.click(c.req.param("token") ?? "");
      if (!url) throw notFound();
      return c.redirect(url, 302);
    },
  );

  app.route(
    {
      method: "get",
      path: "/u/:token",
      id: "track_unsubscribe_link",
      summary: "The link to unsubscribe by",
      description:
        "Leads to the page of the setting campaigns.unsubscribe_page with `?token=`, which posts it back; without one it unsubscribes.",
      responses: {
        200: { description: "Unsubscribed", contentType: "text/plain" },
        302: { description: "The page to say so on" },
        404: { description: "There is no such link" },
      },
    },
    async (c) => {
      const token = c.req.param("token") ?? "";
      const { found, page } = await deps.unsubscribe(token, false);
      if (!found) throw notFound();
      if (!page) return c.text("You are unsubscribed.");
      const url = new URL(page);
      url.searchParams.set("token", token);
      return c.redirect(url.href, 302);
    },
  );

  app.route(
    {
      method: "post",
      path: "/u/:token",
      id: "track_unsubscribe",
      summary: "Unsubscribe by one click",
      description: "As RFC 8058 has it: no sign-in, no cookie, no further question.",
      responses: {
        200: { description: "Unsubscribed", contentType: "text/plain" },
        404: { description: "There is no such link" },
      },
    },
    async (c) => {
      const { found } = await deps.unsubscribe(c.req.param("token") ?? "", true);
      if (!found) throw notFound();
      return c.text("You are unsubscribed.");
    },
  );

  return app;
}
