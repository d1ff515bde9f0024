import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

const oneOfTheLead = "- lead_not_found lead_not_found  + lead_not_found  + lead_not_found  + -";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const sending: ModuleExpectations = {
  fixture: [
    `insert into public.communications (id, lead_id, user_id, type, status, recipient, subject, content) values ('${ids.spareRole}', '${ids.lead}', '${ids.own}', 'email', 'queued', 'x@example.com', 'Matrix', 'x')`,
  ],
  functions: {
    "public.communication_send(text,text,text,text,text,text,jsonb,timestamp with time zone,text,text[],text[],text[],uuid,uuid,uuid,uuid,jsonb)":
      {
        execute: [
          `select public.communication_send('email', '${ids.lead}', 'x@example.com', 'x', 'x')`,
          oneOfTheLead,
        ],
        "to anybody": [
          "select public.communication_send('email', null, 'x@example.com', 'x', 'x')",
          "- permission_denied permission_denied  + +  + +  + -",
        ],
      },
    "public.lead_send_email(text,text,text,text,text,text[],text[])": {
      execute: [
        `select public.lead_send_email('${ids.lead}', 'x', 'x', 'x@example.com')`,
        oneOfTheLead,
      ],
    },
    "public.communication_cancel(uuid)": {
      execute: [
        `select public.communication_cancel('${ids.spareRole}')`,
        "- permission_denied permission_denied  + not_found  + not_found  + -",
      ],
    },
  },
};
