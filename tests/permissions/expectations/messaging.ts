import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const loggable =
  "id, lead_id, contact_id, student_id, campaign_id, user_id, sent_by, thread_id, type, direction, subject, content, sender, recipient, cc, bcc, attachments, channel_specific_data, scheduled_at, sent_at";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const messaging: ModuleExpectations = {
  fixture: [
    `insert into public.communications (id, lead_id, user_id, type, subject) values ('${ids.row}', '${ids.lead}', '${ids.own}', 'email', 'Matrix')`,
    // Carried by a provider: its author reads it, and changes nothing.
    `insert into public.communications (id, lead_id, user_id, type, provider) values ('${ids.fresh}', '${ids.lead}', '${ids.own}', 'sms', 'twilio')`,
  ],
  relations: {
    "public.communications": {
      grants: {
        authenticated: `select, insert (${loggable}), update (subject, content, status, delivered_at, opened, read_at, channel_specific_data)`,
        service_role: all,
      },
      select: [`select from public.communications where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      insert: [
        `insert into public.communications (lead_id, type, content) values ('${ids.lead}', 'meeting', 'x')`,
        "- x x  + x  + x  + +",
      ],
      "insert in the name of another": [
        `insert into public.communications (lead_id, user_id, type) values ('${ids.lead}', '${ids.own}', 'sms')`,
        "- x x  + x  x x  x +",
      ],
      "insert without a lead": [
        "insert into public.communications (type, content) values ('sms', 'x')",
        "- x x  + +  + +  + +",
      ],
      update: [
        `update public.communications set content = 'x' where id = '${ids.row}'`,
        "- . .  + .  . .  . +",
      ],
      "update what a provider carried": [
        `update public.communications set status = 'delivered' where id = '${ids.fresh}'`,
        "- . .  . .  . .  . +",
      ],
      "update user_id": [
        `update public.communications set user_id = '${ids.colleague}' where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.communications where id = '${ids.row}'`, serviceOnly],
    },
    "public.lead_emails": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.lead_emails where id = '${ids.row}'`, "- . .  + .  + .  + +"],
    },
  },
};
