import { ids } from "../personas.ts";
import { all, type ModuleExpectations, serviceOnly } from "./shape.ts";

const file = `inbound/${ids.row}/scan.pdf`;

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const communicationAttachments: ModuleExpectations = {
  fixture: [
    `insert into storage.objects (bucket_id, name) values ('messages', '${file}'), ('messages', 'outbox/${ids.own}/draft.pdf')`,
    `insert into public.communication_attachments (id, communication_id, path, file_name) values ('${ids.row}', '${ids.row}', '${file}', 'scan.pdf')`,
  ],
  relations: {
    "public.communication_attachments": {
      grants: { authenticated: "select", service_role: all },
      select: [
        `select from public.communication_attachments where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.communication_attachments (communication_id, path, file_name) values ('${ids.row}', 'outbox/x/x', 'x')`,
        serviceOnly,
      ],
      update: [
        `update public.communication_attachments set file_name = 'x' where id = '${ids.row}'`,
        serviceOnly,
      ],
      delete: [`delete from public.communication_attachments where id = '${ids.row}'`, serviceOnly],
    },
  },
  buckets: {
    messages: {
      select: [`select from storage.objects where name = '${file}'`, ". . .  + .  + .  + +"],
      insert: [
        `insert into storage.objects (bucket_id, name) values ('messages', 'outbox/${ids.own}/new.pdf')`,
        "x x x  + x  x x  x +",
      ],
      update: [
        `update storage.objects set metadata = '{}' where name = '${file}'`,
        ". . .  . .  . .  . +",
      ],
      delete: [`delete from storage.objects where name = '${file}'`, ". . .  . .  . .  . +"],
    },
  },
};
