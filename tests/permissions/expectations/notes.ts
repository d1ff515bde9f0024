import { ids } from "../personas.ts";
import { all, impersonated, type ModuleExpectations } from "./shape.ts";

const editable = "user_id, title, content, note_type, priority, is_private, reminder_at, tags";

const file = `notes/${ids.row}/scan.pdf`;
const spare = `notes/${ids.row}/spare.pdf`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const notes: ModuleExpectations = {
  fixture: [
    `insert into public.notes (id, lead_id, author_id, content) values ('${ids.row}', '${ids.lead}', '${ids.own}', 'Matrix')`,
    `insert into public.notes (id, lead_id, author_id, content, is_private) values ('${ids.fresh}', '${ids.lead}', '${ids.own}', 'Matrix', true)`,
    `insert into storage.objects (bucket_id, name) values ('attachments', '${file}'), ('attachments', '${spare}')`,
    `insert into public.note_attachments (id, note_id, path) values ('${ids.row}', '${ids.row}', '${file}')`,
  ],
  relations: {
    "public.notes": {
      grants: {
        authenticated: `select, insert (id, lead_id, contact_id, student_id, author_id, ${editable}), update (${editable})`,
        service_role: all,
      },
      select: [`select from public.notes where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      "select private": [
        `select from public.notes where id = '${ids.fresh}'`,
        "- . .  + .  . .  . +",
      ],
      insert: [
        `insert into public.notes (lead_id, content) values ('${ids.lead}', 'x')`,
        "- x x  + x  + x  + +",
      ],
      "insert in the name of another": [
        `insert into public.notes (lead_id, author_id, content) values ('${ids.lead}', '${ids.own}', 'x')`,
        "- x x  + x  x x  x +",
      ],
      update: [
        `update public.notes set content = 'x' where id = '${ids.row}'`,
        "- . .  + .  . .  . +",
      ],
      "update lead_id": [
        `update public.notes set lead_id = '${ids.otherLead}' where id = '${ids.row}'`,
        "- - -  - -  - -  - +",
      ],
      upsert: [
        `insert into public.notes (id, lead_id, content) values ('${ids.row}', '${ids.otherLead}', 'x') on conflict (id) do update set content = excluded.content`,
        "- x x  x x  x x  x +",
      ],
      delete: [`delete from public.notes where id = '${ids.row}'`, "- - -  - -  - -  - +"],
    },
    "public.note_attachments": {
      grants: {
        authenticated: "select, insert (id, note_id, path, file_name), delete",
        service_role: all,
      },
      select: [
        `select from public.note_attachments where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.note_attachments (note_id, path) values ('${ids.row}', '${spare}')`,
        "- x x  + x  x x  x +",
      ],
      update: [
        `update public.note_attachments set file_name = 'x' where id = '${ids.row}'`,
        "- - -  - -  - -  - +",
      ],
      delete: [
        `delete from public.note_attachments where id = '${ids.row}'`,
        "- . .  + .  . .  . +",
      ],
    },
    "public.lead_notes": {
      grants: { authenticated: "select", service_role: "select" },
      select: [`select from public.lead_notes where id = '${ids.row}'`, "- . .  + .  + .  + +"],
    },
  },
  buckets: {
    attachments: {
      select: [`select from storage.objects where name = '${file}'`, ". . .  + .  + .  + +"],
      insert: [
        `insert into storage.objects (bucket_id, name) values ('attachments', 'notes/${ids.row}/new.pdf')`,
        "x x x  + x  x x  x +",
      ],
      update: [
        `update storage.objects set metadata = '{}' where name = '${file}'`,
        ". . .  . .  . .  . +",
      ],
      delete: [`delete from storage.objects where name = '${file}'`, ". . .  + .  . .  . +"],
      "impersonated insert": [
        impersonated(
          `insert into storage.objects (bucket_id, name) values ('attachments', 'notes/${ids.row}/new.pdf')`,
        ),
        "x x x  x x  x x  x P0001",
      ],
      "impersonated delete": [
        impersonated(`delete from storage.objects where name = '${file}'`),
        ". . .  . .  . .  . P0001",
      ],
    },
  },
};
