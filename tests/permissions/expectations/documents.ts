import { ids } from "../personas.ts";
import { all, type ModuleExpectations } from "./shape.ts";

const editable =
  "document_name, document_type, is_required, is_confidential, access_level, notes, status, verification_notes";
const denied = "permission_denied";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const documents: ModuleExpectations = {
  fixture: [
    `insert into public.documents (id, lead_id, uploaded_by, document_name, document_type) values ('${ids.row}', '${ids.lead}', '${ids.own}', 'Matrix', 'matrix')`,
    `insert into public.documents (id, lead_id, uploaded_by, document_name, document_type, access_level) values ('${ids.fresh}', '${ids.lead}', '${ids.admin}', 'Matrix', 'matrix', 'restricted')`,
  ],
  relations: {
    "public.documents": {
      grants: {
        authenticated: `select, insert (id, lead_id, student_id, document_name, document_type, is_required, is_confidential, access_level, notes), update (${editable})`,
        service_role: all,
      },
      select: [`select from public.documents where id = '${ids.row}'`, "- . .  + .  + .  + +"],
      "select restricted": [
        `select from public.documents where id = '${ids.fresh}'`,
        "- . .  . .  + .  + +",
      ],
      insert: [
        `insert into public.documents (lead_id, document_name, document_type) values ('${ids.lead}', 'x', 'x')`,
        "- x x  + x  + x  + +",
      ],
      update: [
        `update public.documents set document_name = 'x' where id = '${ids.row}'`,
        "- . .  + .  + .  + +",
      ],
      "update restricted": [
        `update public.documents set document_name = 'x' where id = '${ids.fresh}'`,
        "- . .  . .  + .  + +",
      ],
      "update status": [
        `update public.documents set status = 'rejected' where id = '${ids.row}'`,
        `- . .  ${denied} .  + .  + +`,
      ],
      "update lead_id": [
        `update public.documents set lead_id = '${ids.otherLead}' where id = '${ids.row}'`,
        "- - -  - -  - -  - +",
      ],
      delete: [`delete from public.documents where id = '${ids.row}'`, "- - -  - -  - -  - +"],
    },
  },
  functions: {
    "public.document_verify(uuid,text,text,integer)": {
      execute: [
        `select public.document_verify('${ids.row}', 'rejected')`,
        `- ${denied} ${denied}  ${denied} ${denied}  + not_found  + -`,
      ],
    },
  },
};
