/**
 * The service layer of a frontend, in the shape the CRM document gives it: every call a frontend of leads makes,
 * typed by the database. Copy it, and change the import of the types to `@intake/types`.
 *
 *     const crm = createCrmService(createClient<Database>(url, publishableKey));
 *     const { lead_id } = await crm.createLead({ firstName: "Asha", email: "asha@example.com" });
 *     await crm.sendEmail(lead_id, { subject: "Welcome", body: "Thank you for asking." });
 */
import type { SupabaseClient } from "@supabase/supabase-js";
import type { Database, Json } from "../packages/types/src/database.ts";

type Tables = Database["public"]["Tables"];

/** Thrown where a call is refused: `code` is the SQLSTATE, `details` begins with the name of the error. */
export class CrmError extends Error {
  readonly code: string;
  readonly details: string | null;

  constructor(error: { message: string; code: string; details: string | null }) {
    super(error.message);
    this.name = "CrmError";
    this.code = error.code;
    this.details = error.details;
  }
}

interface Answer<T> {
  data: T;
  error: { message: string; code: string; details: string | null } | null;
}

async function ask<T>(answer: PromiseLike<Answer<T>>): Promise<NonNullable<T>> {
  const { data, error } = await answer;
  if (error) throw new CrmError(error);
  return data as NonNullable<T>;
}

/** The answer of a function that returns one object, in the shape its comment gives. */
const told = async <T>(answer: PromiseLike<Answer<Json>>): Promise<T> =>
  (await ask(answer)) as unknown as T;

export function createCrmService(supabase: SupabaseClient<Database>) {
  /** Rows hang on the id of a lead; the document names leads by number. */
  const idOf = async (number: string) =>
    (await ask(supabase.from("leads").select("id").eq("lead_id", number).single())).id;

  return {
    /** A page of leads, the newest first, and how many there are. */
    async fetchLeads({ limit = 50, offset = 0, status }: LeadPage = {}) {
      let query = supabase.from("leads_crm").select("*", { count: "exact" });
      if (status) query = query.eq("status", status);
      const { data, error, count } = await query
        .order("createdAt", { ascending: false })
        .range(offset, offset + limit - 1);
      if (error) throw new CrmError(error);
      return { leads: data, total: count ?? 0 };
    },

    fetchLead: (number: string) =>
      ask(supabase.from("leads_crm").select().eq("lead_id", number).single()),

    /** Lead, activities, e-mails, calls, tasks and notes: what the page of a lead shows. */
    fetchLeadDetails: (number: string) =>
      told<LeadDetails>(supabase.rpc("lead_360", { p_lead_id: number })),

    createLead: (lead: { [field: string]: Json }) =>
      told<LeadCreated>(supabase.rpc("crm_create_lead", { p_lead: lead })),

    updateLead: (number: string, fields: Tables["leads"]["Update"]) =>
      ask(supabase.from("leads").update(fields).eq("lead_id", number).select().single()),

    updateLeadStatus: (number: string, status: string, reason?: string) =>
      ask(
        supabase.rpc("lead_set_status", {
          p_lead_id: number,
          p_status: status,
          ...(reason ? { p_reason: reason } : {}),
        }),
      ),

    deleteLead: (number: string) => ask(supabase.rpc("lead_delete", { p_id: number })),

    fetchEmails: (number: string) =>
      ask(
        supabase
          .from("lead_emails")
          .select()
          .eq("lead_id", number)
          .order("timestamp", { ascending: false }),
      ),

    sendEmail: (number: string, email: { subject: string; body: string; to?: string }) =>
      ask(
        supabase.rpc("lead_send_email", {
          p_lead_id: number,
          p_subject: email.subject,
          p_body: email.body,
          ...(email.to ? { p_to: email.to } : {}),
        }),
      ),

    fetchCalls: (number: string) =>
      ask(
        supabase
          .from("calls_crm")
          .select()
          .eq("lead_id", number)
          .order("timestamp", { ascending: false }),
      ),

    /** A call that is over; `startCall` and `endCall` measure one that is not. */
    logCall: async (number: string, call: Omit<Tables["calls"]["Insert"], "lead_id">) =>
      ask(
        supabase
          .from("calls")
          .insert({ ...call, lead_id: await idOf(number) })
          .select()
          .single(),
      ),

    startCall: async (number: string) => {
      const lead_id = await idOf(number);
      const { id } = await ask(supabase.from("calls").insert({ lead_id }).select("id").single());
      return await ask(supabase.rpc("call_start", { p_call_id: id }));
    },

    endCall: (callId: string, outcome: string) =>
      ask(supabase.rpc("call_end", { p_call_id: callId, p_outcome: outcome })),

    fetchTasks: (number: string) =>
      ask(supabase.from("tasks_crm").select().eq("lead_id", number).order("dueDate")),

    createTask: async (number: string, task: Omit<Tables["tasks"]["Insert"], "lead_id">) =>
      ask(
        supabase
          .from("tasks")
          .insert({ ...task, lead_id: await idOf(number) })
          .select()
          .single(),
      ),

    updateTask: (taskId: string, fields: Tables["tasks"]["Update"]) =>
      ask(supabase.from("tasks").update(fields).eq("id", taskId).select().single()),

    fetchNotes: (number: string) =>
      ask(
        supabase
          .from("lead_notes")
          .select()
          .eq("lead_id", number)
          .order("createdAt", { ascending: false }),
      ),

    createNote: async (number: string, note: { title?: string; content: string }) =>
      ask(
        supabase
          .from("notes")
          .insert({ ...note, lead_id: await idOf(number) })
          .select()
          .single(),
      ),

    convertToDeal: (number: string, deal: { [field: string]: Json } = {}) =>
      ask(supabase.rpc("lead_convert_to_deal", { p_lead_id: number, p_deal: deal })),

    /** Calls back whenever something of the lead changed; answers how to stop. */
    onLeadChanged(id: string, reload: (table: string) => void): () => void {
      const channel = supabase
        .channel(`lead:${id}`, { config: { private: true } })
        .on("broadcast", { event: "changed" }, ({ payload }) => reload(payload.table))
        .subscribe((status) => status === "SUBSCRIBED" && reload("leads"));
      return () => void supabase.removeChannel(channel);
    },
  };
}

interface LeadPage {
  limit?: number;
  offset?: number;
  /** A stage by its name, such as Qualified. */
  status?: string;
}

interface LeadCreated {
  message: string;
  /** Null where the person is known already and their lead is somebody else's. */
  lead_id: string | null;
  id: string | null;
}

interface LeadDetails {
  lead: Record<string, unknown> & { activities: { type: string }[] };
  emails: object[];
  calls: object[];
  tasks: object[];
  notes: object[];
}
