import { ids } from "../personas.ts";
import { adminRpc, type ModuleExpectations } from "./shape.ts";

//   anon disabled revoked | own, other counselor | own, other manager | admin service
export const jobAdmin: ModuleExpectations = {
  fixture: [
    `insert into private.jobs (id, kind, run_at) values ('${ids.row}', 'matrix', now() + interval '1 day')`,
  ],
  functions: {
    "public.jobs_list(text,text,integer,uuid)": {
      execute: ["select from public.jobs_list(p_kind => 'matrix')", adminRpc],
    },
    "public.jobs_stats()": { execute: ["select public.jobs_stats()", adminRpc] },
    "public.job_retry(uuid)": { execute: [`select public.job_retry('${ids.row}')`, adminRpc] },
    "public.job_cancel(uuid)": { execute: [`select public.job_cancel('${ids.row}')`, adminRpc] },
  },
};
