import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly, topic } from "./shape.ts";

const figures = "objective, currency, spend, revenue, impressions, clicks, leads";
const columns = `name, description, type, channels, status, target_audience, target_criteria, subject, content, scheduled_at, is_automated, tags, custom_fields, ${figures}`;

const launched = "00000000-0000-7000-8000-0000000001c1";
const denied = "permission_denied";
const preview = `select public.campaign_audience_preview('{"email": "matrix.campaign@example.test"}')`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const campaigns: ModuleExpectations = {
  fixture: [
    `insert into public.campaigns (id, name, created_by) values ('${ids.row}', 'Matrix', '${ids.ownManager}')`,
    `insert into public.campaigns (id, name, content, subject, target_criteria, created_by) values ('${launched}', 'Matrix', 'c', 's', '{"assigned_to": "${ids.own}"}', '${ids.ownManager}')`,
    `insert into public.campaign_recipients (campaign_id, position, lead_id, channel) values ('${ids.row}', 1, '${ids.lead}', 'email')`,
    `insert into realtime.messages (topic, extension, event, payload, private) values ('campaign:${ids.row}', 'broadcast', 'matrix', '{}', true)`,
    `insert into public.campaigns (id, name, type, provider, external_id) values ('${ids.fresh}', 'Matrix', 'ads', 'meta', 'matrix')`,
    `insert into public.campaign_insights_daily (campaign_id, day, currency) values ('${ids.fresh}', '2026-01-01', 'INR')`,
  ],
  relations: {
    "public.campaigns": {
      grants: {
        authenticated: `select, insert (id, ${columns}), update (${columns})`,
        service_role: all,
      },
      select: [`select from public.campaigns where id = '${ids.row}'`, "- . .  . .  + +  + +"],
      insert: ["insert into public.campaigns (name) values ('New')", "- x x  x x  + +  + +"],
      update: [
        `update public.campaigns set name = 'x' where id = '${ids.row}'`,
        "- . .  . .  + .  + +",
      ],
      "update all of one's own": [
        "update public.campaigns set name = 'x' where provider is null",
        "- . .  . .  + .  + +",
      ],
      "update of an ad platform's": [
        `update public.campaigns set tags = '{x}' where id = '${ids.fresh}'`,
        "- . .  . .  . .  + +",
      ],
      delete: [`delete from public.campaigns where id = '${ids.row}'`, serviceOnly],
    },
    "public.campaign_recipients": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.campaign_recipients where campaign_id = '${ids.row}'`,
        "- . .  . .  + .  + +",
      ],
      insert: [
        `insert into public.campaign_recipients (campaign_id, position, lead_id, channel) values ('${ids.row}', 2, '${ids.lead}', 'sms')`,
        serviceOnly,
      ],
      update: [
        `update public.campaign_recipients set opened_at = now() where campaign_id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [
        `delete from public.campaign_recipients where campaign_id = '${ids.row}'`,
        serviceOnly,
      ],
    },
    "public.campaign_insights_daily": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.campaign_insights_daily where campaign_id = '${ids.fresh}'`,
        "- . .  . .  + +  + +",
      ],
      insert: [
        `insert into public.campaign_insights_daily (campaign_id, day, currency) values ('${ids.fresh}', '2026-01-02', 'INR')`,
        serviceOnly,
      ],
      update: [
        `update public.campaign_insights_daily set leads = 1 where campaign_id = '${ids.fresh}'`,
        serviceOnly,
      ],
      delete: [
        `delete from public.campaign_insights_daily where campaign_id = '${ids.fresh}'`,
        serviceOnly,
      ],
    },
    "public.campaign_insights": {
      grants: { authenticated: "select", service_role: "select" },
      select: [
        `select from public.campaign_insights where id = '${ids.fresh}'`,
        "- . .  . .  + +  + +",
      ],
    },
    "public.campaigns_with_stats": {
      grants: { authenticated: "select", service_role: "select" },
      select: [
        `select from public.campaigns_with_stats where id = '${ids.row}'`,
        "- . .  . .  + +  + +",
      ],
    },
  },
  functions: {
    "public.campaign_audience_preview(jsonb,text,text[],integer)": {
      execute: [preview, `- ${denied} ${denied}  ${denied} ${denied}  + +  + -`],
    },
    "public.campaign_launch(uuid)": {
      execute: [
        `select public.campaign_launch('${launched}')`,
        `- not_found not_found  not_found not_found  + ${denied}  + -`,
      ],
    },
    "public.campaign_test(uuid,text)": {
      execute: [
        `select public.campaign_test('${launched}')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + +  + -`,
      ],
    },
    "public.campaign_stats(uuid)": {
      execute: [
        `select public.campaign_stats('${ids.row}')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + +  + -`,
      ],
    },
  },
  topics: {
    campaign: topic("campaign", ids.row, ". . .  . .  + +  + +"),
  },
};
