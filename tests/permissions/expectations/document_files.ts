import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

const paper = "00000000-0000-7000-8000-0000000001f1";
const version = "00000000-0000-7000-8000-0000000002f1";
const open = "00000000-0000-7000-8000-0000000002f2";
const file = `${paper}/${version}`;
const next = `${paper}/${open}`;
const missing = "not_found";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const documentFiles: ModuleExpectations = {
  fixture: [
    `insert into public.documents (id, lead_id, uploaded_by, document_name, document_type) values ('${paper}', '${ids.lead}', '${ids.own}', 'Matrix', 'matrix')`,
    `insert into public.document_versions (id, document_id, file_name, mime_type, size_bytes, state, uploaded_by) values ('${version}', '${paper}', 'x.pdf', 'application/pdf', 1, 'checking', '${ids.own}')`,
    `insert into storage.objects (bucket_id, name) values ('documents', '${file}')`,
    `select private.document_checked('${version}', 1, repeat('a', 64))`,
    `insert into public.document_versions (id, document_id, file_name, mime_type, size_bytes, uploaded_by) values ('${open}', '${paper}', 'x.pdf', 'application/pdf', 1, '${ids.own}')`,
    `insert into public.document_openings (id, document_id, version_no, user_id) values ('${ids.row}', '${paper}', 1, '${ids.own}')`,
  ],
  relations: {
    "public.document_versions": {
      grants: {
        authenticated: "select, insert (document_id, file_name, mime_type, size_bytes)",
        service_role: all,
      },
      select: [
        `select from public.document_versions where id = '${version}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.document_versions (document_id, file_name, mime_type, size_bytes) values ('${paper}', 'x', 'application/pdf', 1)`,
        "- x x  + x  + x  + +",
      ],
      update: [
        `update public.document_versions set file_name = 'x' where id = '${version}'`,
        "- - -  - -  - -  - +",
      ],
      delete: [
        `delete from public.document_versions where id = '${version}'`,
        "- - -  - -  - -  - +",
      ],
    },
    "public.document_openings": {
      grants: { authenticated: "select, insert (document_id, version_no)", service_role: all },
      select: [
        `select from public.document_openings where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      insert: [
        `insert into public.document_openings (document_id, version_no) values ('${paper}', 1)`,
        "- x x  + x  + x  + +",
      ],
      update: [
        `update public.document_openings set opened_at = now() where id = '${ids.row}'`,
        "- - -  - -  - -  - +",
      ],
      delete: [
        `delete from public.document_openings where id = '${ids.row}'`,
        "- - -  - -  - -  - +",
      ],
    },
  },
  functions: {
    "public.document_begin_upload(text,text,bigint,uuid,text,text,uuid,uuid,boolean,boolean,text,text)":
      {
        execute: [
          `select public.document_begin_upload('x', 'application/pdf', 1, p_lead_id => '${ids.lead}')`,
          "- x x  + x  + x  + -",
        ],
        "execute for a next version": [
          `select public.document_begin_upload('x', 'application/pdf', 1, '${paper}')`,
          `- ${missing} ${missing}  + ${missing}  + ${missing}  + -`,
        ],
      },
    "public.document_complete_upload(uuid,integer)": {
      execute: [
        `select public.document_complete_upload('${paper}', 1)`,
        `- ${missing} ${missing}  + ${missing}  + ${missing}  + -`,
      ],
    },
    "public.document_open(uuid,integer)": {
      execute: [
        `select public.document_open('${paper}')`,
        `- ${missing} ${missing}  + ${missing}  + ${missing}  + -`,
      ],
    },
  },
  buckets: {
    documents: {
      select: [`select from storage.objects where name = '${file}'`, ". . .  + .  + .  + +"],
      insert: [
        `insert into storage.objects (bucket_id, name) values ('documents', '${next}')`,
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
