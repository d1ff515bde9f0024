import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

const denied = "permission_denied";
const refused = "report_recipient_refused";
const schedule = "00000000-0000-7000-8000-0000000001c1";
const template = "00000000-0000-7000-8000-0000000001a1";
const columns = 'frequency, "time", day, recipients, format, status'.replaceAll('"', "");
const manager = `(select m.user_id from public.team_members m where m.team_id = '${ids.ownTeam}' and m.is_manager)`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const reportSchedules: ModuleExpectations = {
  fixture: [
    `insert into public.scheduled_reports (id, report_id, created_by, frequency, "time", recipients)
      select '${schedule}', '${ids.row}', p.id, 'daily', '09:00', array[p.email] from public.profiles p where p.id = ${manager}`,
  ],
  relations: {
    "public.scheduled_reports": {
      grants: {
        authenticated: `select, insert (report_id, ${columns}), update (${columns}), delete`,
        service_role: all,
      },
      select: [
        `select from public.scheduled_reports where id = '${schedule}'`,
        "- . .  . .  + .  + +",
      ],
      insert: [
        `insert into public.scheduled_reports (report_id, frequency, "time", recipients)
          values ('${template}', 'daily', '09:00', (select array_agg(p.email) from public.profiles p where p.id = auth.uid()))`,
        // An address of somebody who sees no reports is refused before the policy is asked.
        `- x x  ${refused} ${refused}  + +  + 23502`,
      ],
      update: [
        `update public.scheduled_reports set status = 'paused' where id = '${schedule}'`,
        "- . .  . .  + .  + +",
      ],
      delete: [
        `delete from public.scheduled_reports where id = '${schedule}'`,
        "- . .  . .  + .  + +",
      ],
      "update all": [
        "update public.scheduled_reports set status = 'paused'",
        "- . .  . .  + .  + +",
      ],
    },
  },
  functions: {
    "public.report_schedule(uuid,text,text,text[],text,integer)": {
      execute: [
        `select public.report_schedule('${ids.row}', 'daily', '09:00')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + not_found  + -`,
      ],
    },
  },
};
