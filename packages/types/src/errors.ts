/**
 * Errors as every part of Intake answers them: the Data API, RPCs and edge functions alike.
 *
 * `code` is an SQLSTATE (`42501`, `PT404`, `23505`, …) as PostgREST gives it, `details` starts with
 * a stable code that a client may branch on, as in `lead_not_found: LEAD-042`.
 */
import { z } from "zod";

/** Stable codes. The database keeps the same list, with their messages, in `error_codes`. */
export const errorCodes = [
  "permission_denied",
  "not_found",
  "argument_invalid",
  "email_invalid",
  "phone_invalid",
  "truncate_refused",
  "account_inactive",
  "last_admin",
  "role_is_built_in",
  "role_in_use",
  "role_unknown",
  "timezone_unknown",
  "impersonation_is_read_only",
  "impersonation_refused",
  "permission_unknown",
  "role_exists",
  "user_has_leads",
  "user_is_oneself",
  "sync_client_unknown",
  "user_exists",
  "setting_invalid",
  "setting_is_built_in",
  "setting_is_fixed",
  "rate_limited",
  "audit_is_append_only",
  "parent_deleted",
  "restore_conflict",
  "stage_unknown",
  "transition_forbidden",
  "batch_is_undone",
  "lead_is_merged",
  "import_abandoned",
  "lead_not_found",
  "person_known",
  "enquiry_answers_no_row",
  "merge_is_undone",
  "score_rule_invalid",
  "assignee_unavailable",
  "contact_known",
  "lead_not_won",
  "attachment_missing",
  "document_status_refused",
  "document_has_no_file",
  "document_changed",
  "document_kind_refused",
  "document_too_large",
  "document_empty",
  "document_file_missing",
  "document_content_mismatch",
  "document_unreadable",
  "communication_status_refused",
  "campaign_incomplete",
  "campaign_audience_too_large",
  "campaign_audience_empty",
  "campaign_criteria_invalid",
  "template_not_found",
  "template_variable_missing",
  "recipient_missing",
  "contact_refused",
  "sender_refused",
  "whatsapp_window_closed",
  "attachments_too_large",
  "campaign_status_refused",
  "campaign_is_running",
  "campaign_is_launched",
  "campaign_is_a_platforms",
  "amount_invalid",
  "payment_is_fixed",
  "payment_transition_forbidden",
  "payment_is_not_open",
  "payment_has_no_order",
  "payment_order_in_progress",
  "payment_event_conflict",
  "idempotency_conflict",
  "refund_too_large",
  "installments_do_not_add_up",
  "paper_is_fixed",
  "notification_out_of_reach",
  "job_not_found",
  "job_is_running",
  "job_is_queued_again",
  "invalid_schedule",
  "event_not_found",
  "integration_not_found",
  "api_key_not_found",
  "webhook_not_found",
  "webhook_inactive",
  "webhook_event_unknown",
  "contact_missing",
  "form_field_invalid",
  "idempotency_key_reused",
  "recurrence_invalid",
  "call_not_found",
  "call_not_started",
  "call_in_progress",
  "call_is_measured",
  "call_has_ended",
  "reminder_not_found",
  "reminder_is_cancelled",
  "import_file_missing",
  "import_too_large",
  "import_too_many_rows",
  "import_file_empty",
  "import_file_unreadable",
  "import_interrupted",
  "import_header_missing",
  "import_state",
  "import_column_unknown",
  "import_column_ambiguous",
  "import_column_mapped_twice",
  "import_field_mapped_twice",
  "import_field_unknown",
  "row_ragged",
  "row_not_an_object",
  "row_empty",
  "row_nameless",
  "row_refused",
  "quote_unclosed",
  "encoding_invalid",
  "number_invalid",
  "currency_invalid",
  "value_too_long",
  "lead_touched",
  "export_list_unknown",
  "export_column_unknown",
  "export_filter_invalid",
  "export_too_large",
  "export_interrupted",
  "report_invalid",
  "report_format_unavailable",
  "report_busy",
  "report_too_slow",
  "report_schedule_invalid",
  "report_recipient_refused",
  "automation_condition_invalid",
  "automation_action_invalid",
  "automation_workflow_not_found",
  "automation_workflow_is_off",
  "automation_template_not_found",
] as const;

/** Stable codes of edge functions alone. */
export const functionErrorCodes = [
  "authentication_required",
  "signature_invalid",
  "verify_token_invalid",
  "body_invalid",
  "body_too_large",
  "content_encoding_refused",
  "content_type_refused",
  "api_key_invalid",
  "api_key_revoked",
  "api_key_expired",
  "scope_missing",
  "origin_refused",
  "route_not_found",
  "method_not_allowed",
  "provider_not_configured",
  "provider_unreachable",
  "gateway_refused",
  "credentials_refused",
  "password_refused",
  "invitation_failed",
  "integration_unavailable",
  "service_unavailable",
  "internal_error",
] as const;

export type ErrorCode = (typeof errorCodes)[number] | (typeof functionErrorCodes)[number];

const known: ReadonlySet<string> = new Set([...errorCodes, ...functionErrorCodes]);

export const intakeErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  details: z.string().nullable(),
  hint: z.string().nullable(),
});

export type IntakeErrorBody = z.infer<typeof intakeErrorSchema>;

/** The stable code at the start of `details`, or null when the error is not one of Intake's. */
export function errorCodeOf(error: unknown): ErrorCode | null {
  if (typeof error !== "object" || error === null || !("details" in error)) return null;
  const { details } = error;
  if (typeof details !== "string") return null;
  const code = /^[a-z][a-z0-9_]+/.exec(details)?.[0] ?? "";
  return known.has(code) ? (code as ErrorCode) : null;
}

/** Whether an error of supabase-js, or the body of a refused call, is one of Intake's own. */
export function isIntakeError(error: unknown, code?: ErrorCode): error is IntakeErrorBody {
  const found = errorCodeOf(error);
  return found !== null && (code === undefined || found === code);
}

/** The error body of a refused edge function call, or null when the answer came from elsewhere. */
export async function parseFunctionError(response: Response): Promise<IntakeErrorBody | null> {
  try {
    const parsed = intakeErrorSchema.safeParse(await response.clone().json());
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
