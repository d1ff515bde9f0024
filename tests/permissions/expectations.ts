/**
 * Who may do what: the promise that the matrix holds the database to.
 *
 * Each verb is a statement and nine cells, in the order of `personas`: anon, disabled, revoked, own
 * counselor, other counselor, own manager, other manager, admin, service. A cell is `+` (it did
 * something), `.` (row level security hides the row), `-` (no grant), `x` (refused by a policy), or
 * the code of the error. "Own" is who the row of the fixture belongs to.
 *
 * An object that the catalogue knows and this file does not is a failure, and so is the reverse.
 */
import { activities } from "./expectations/activities.ts";
import { analytics } from "./expectations/analytics.ts";
import { audit } from "./expectations/audit.ts";
import { duplicates } from "./expectations/duplicates.ts";
import { enquiries } from "./expectations/enquiries.ts";
import { health } from "./expectations/health.ts";
import { identity } from "./expectations/identity.ts";
import { integrations } from "./expectations/integrations.ts";
import { jobs } from "./expectations/jobs.ts";
import { leads } from "./expectations/leads.ts";
import { notes } from "./expectations/notes.ts";
import { notifications } from "./expectations/notifications.ts";
import { people } from "./expectations/people.ts";
import { pipeline } from "./expectations/pipeline.ts";
import { platform } from "./expectations/platform.ts";
import { routing } from "./expectations/routing.ts";
import { settings } from "./expectations/settings.ts";
import { type Expectations, type ModuleExpectations, merge } from "./expectations/shape.ts";
import { tasks } from "./expectations/tasks.ts";

export type { Expectations } from "./expectations/shape.ts";

export const modules = {
  platform,
  identity,
  settings,
  audit,
  pipeline,
  leads,
  enquiries,
  duplicates,
  people,
  activities,
  notes,
  tasks,
  notifications,
  jobs,
  routing,
  analytics,
  integrations,
  health,
};

/** Rows of the fixture that the modules add, in the order of the modules. */
export const fixtureRows: string[] = Object.values(modules).flatMap(
  (module: ModuleExpectations) => module.fixture ?? [],
);

export const expectations: Expectations = merge(Object.values(modules));
