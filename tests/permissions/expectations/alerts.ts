import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

// The job of the queue's own fixture has the id of the row.
const deadJob = "00000000-0000-7000-8000-0000000000f7";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const alerts: ModuleExpectations = {
  fixture: [
    // The breach of the own lead's timer has made the row.
    `insert into public.lead_risks (lead_id, lead_owner_id, team_id, severity, sla_since)
      values ('${ids.lead}', '${ids.own}', '${ids.ownTeam}', 3, now() - interval '1 day') on conflict do nothing`,
    `insert into private.jobs_dead (id, kind, payload, provider, priority, attempts, max_attempts, created_at)
      values ('${deadJob}', 'matrix', '{}', 'none', 0, 1, 1, now())`,
  ],
  relations: {
    "public.lead_risks": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.lead_risks where lead_id = '${ids.lead}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.lead_risks (lead_id, severity, sla_since) values ('${ids.otherLead}', 1, now())`,
        serviceOnly,
      ],
      update: [
        `update public.lead_risks set severity = 1 where lead_id = '${ids.lead}'`,
        serviceOnly,
      ],
      delete: [`delete from public.lead_risks where lead_id = '${ids.lead}'`, serviceOnly],
    },
  },
  functions: {
    "public.analytics_alerts(integer,jsonb)": {
      execute: [
        `select from public.analytics_alerts(200) a where a.type = 'sla_breach' and a.description like '%, Matrix'`,
        "- . .  + .  + .  + -",
      ],
      "execute for dead jobs": [
        `select from public.analytics_alerts(200) a where a.link = '/settings/jobs/${deadJob}'`,
        "- . .  . .  . .  + -",
      ],
    },
    "public.leads_at_risk(integer,jsonb)": {
      execute: [
        `select from public.leads_at_risk(200) r where r.id = '${ids.lead}'`,
        "- . .  + .  + .  + -",
      ],
    },
  },
};
