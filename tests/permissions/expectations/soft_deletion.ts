import { ids } from "../personas.ts";
import type { ModuleExpectations } from "./shape.ts";

const gone = "00000000-0000-7000-8000-0000000000d5";
const remove = (table: string, id: string) => `select public.soft_delete('${table}', '${id}')`;
/** A row that is the own counselor's, of the own manager's team. */
const own = "- not_found not_found  + not_found  + not_found  + -";
const needsPermission = "- not_found not_found  permission_denied not_found  + not_found  + -";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const softDeletion: ModuleExpectations = {
  fixture: [
    `insert into public.tasks (id, title, lead_id, assigned_to, deleted_at, deleted_by) values ('${gone}', 'Matrix, gone', '${ids.lead}', '${ids.own}', now(), '${ids.own}')`,
  ],
  functions: {
    "public.soft_delete(text,uuid)": {
      execute: [remove("tasks", ids.row), own],
      "a call": [remove("calls", ids.row), own],
      "a reminder": [remove("reminders", ids.row), own],
      "a note": [remove("notes", ids.row), own],
      "a private note": [
        remove("notes", ids.fresh),
        "- not_found not_found  + not_found  not_found not_found  not_found -",
      ],
      "a communication": [
        remove("communications", ids.row),
        "- not_found not_found  permission_denied not_found  permission_denied not_found  + -",
      ],
      // Entered by nobody, so that it takes leads.delete.
      "a student": [remove("students", ids.row), needsPermission],
      "a lead": [remove("leads", ids.lead), needsPermission],
    },
    "public.restore(text,uuid)": { execute: [`select public.restore('tasks', '${gone}')`, own] },
    "public.deleted_rows(text,integer,jsonb)": {
      execute: [
        `select from public.deleted_rows() d where d.id = '${gone}'`,
        "- permission_denied permission_denied  permission_denied permission_denied  permission_denied permission_denied  + -",
      ],
    },
  },
};
