// Whether the backend serves. Public: states only, no figures, no versions, no secrets.

import { type Health, healthSchema } from "@intake/types";
import { type App, createApp, type Surroundings } from "../_shared/app.ts";

export interface Facts {
  isMigrated: boolean;
  due: number;
  oldestDueSeconds: number;
}

export interface HealthDeps extends Surroundings {
  /** Throws when the database does not answer. */
  facts(): Promise<Facts>;
  now?(): Date;
}

export function queueClass({ due, oldestDueSeconds }: Facts): Health["queue"] {
  if (due === 0) return "idle";
  if (oldestDueSeconds < 90) return "busy";
  return oldestDueSeconds < 900 ? "behind" : "stalled";
}

async function check({ facts, now = () => new Date() }: HealthDeps): Promise<Health> {
  const time = now().toISOString();
  try {
    const found = await facts();
    const queue = queueClass(found);
    const isWell = found.isMigrated && (queue === "idle" || queue === "busy");
    return {
      status: isWell ? "ok" : "degraded",
      database: "ok",
      migrations: found.isMigrated ? "applied" : "missing",
      queue,
      time,
    };
  } catch {
    return { status: "down", database: "down", migrations: "unknown", queue: "unknown", time };
  }
}

export function createHealth(deps: HealthDeps): App {
  const app = createApp({
    name: "health",
    title: "Intake health",
    description: "Whether the backend serves.",
    maxBodyBytes: 1024,
    allowedOrigins: deps.allowedOrigins,
    limiter: deps.limiter,
    log: deps.log,
  });

  app.route(
    {
      method: "get",
      path: "/",
      id: "health",
      summary: "Health",
      responses: {
        200: { description: "It serves", schema: healthSchema },
        503: { description: "The database does not answer", schema: healthSchema },
      },
    },
    async (c) => {
      const health = healthSchema.parse(await check(deps));
      return c.json(health, health.status === "down" ? 503 : 200);
    },
  );

  return app;
}
