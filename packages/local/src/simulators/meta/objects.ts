// The page, forms and leads that the simulated Meta holds.

import { ControlError } from "../http.ts";
import { createAds } from "./ads.ts";

export interface Question {
  id: string;
  key: string;
  label: string;
  type: string;
}

export interface Form {
  id: string;
  page_id: string;
  name: string;
  status: "ACTIVE" | "ARCHIVED";
  locale: string;
  created_time: number;
  questions: Question[];
}

export interface Lead {
  id: string;
  form_id: string;
  page_id: string;
  created_time: number;
  ad_id: string;
  ad_name: string;
  adgroup_id: string;
  adset_name: string;
  campaign_id: string;
  campaign_name: string;
  is_organic: boolean;
  platform: "fb" | "ig";
  field_data: { name: string; values: string[] }[];
}

const defaultQuestions: [key: string, label: string, type: string][] = [
  ["full_name", "Full name", "FULL_NAME"],
  ["email", "Email", "EMAIL"],
  ["phone_number", "Phone number", "PHONE"],
  ["city", "City", "CITY"],
  ["which_course_are_you_interested_in?", "Which course are you interested in?", "CUSTOM"],
];

export const isId = (value: unknown): value is string =>
  typeof value === "string" && /^\d{1,20}$/.test(value);

const seconds = () => Math.floor(Date.now() / 1000);

export function createObjects() {
  const forms = new Map<string, Form>();
  const leads = new Map<string, Lead>();
  // 17 digits, as Meta's are, and odd: between 10^16 and 2^54 a double holds even numbers only, so a
  // reader that parses these as numbers always gets the wrong id.
  let lastId = 10_000_000_000_000_001n + BigInt(Date.now() % 1_000_000_000) * 1_000n;

  function newId(): string {
    lastId += 2n;
    return String(lastId);
  }

  const pageId = newId();

  function text(value: unknown, fallback: string): string {
    return typeof value === "string" || typeof value === "number" ? String(value) : fallback;
  }

  function createForm(input: Record<string, unknown> = {}): Form {
    const questions = Array.isArray(input.questions)
      ? input.questions.map((raw): Question => {
          const question = (typeof raw === "object" && raw !== null ? raw : {}) as Record<
            string,
            unknown
          >;
          const key = text(question.key, "");
          if (!key) throw new ControlError("every question needs a key");
          return {
            id: newId(),
            key,
            label: text(question.label, key),
            type: text(question.type, "CUSTOM"),
          };
        })
      : defaultQuestions.map(([key, label, type]) => ({ id: newId(), key, label, type }));
    const form: Form = {
      id: isId(input.id) ? input.id : newId(),
      page_id: isId(input.page_id) ? input.page_id : pageId,
      name: text(input.name, "Admissions enquiry"),
      status: input.status === "ARCHIVED" ? "ARCHIVED" : "ACTIVE",
      locale: text(input.locale, "en_US"),
      created_time: seconds(),
      questions,
    };
    forms.set(form.id, form);
    return form;
  }

  const defaultForm = createForm();

  function createLead(input: Record<string, unknown> = {}): Lead {
    const formId = text(input.form_id, defaultForm.id);
    const form = forms.get(formId);
    if (!form) throw new ControlError(`there is no form ${formId}`, 404);
    const number = leads.size + 1;
    const answers: Record<string, unknown> =
      typeof input.fields === "object" && input.fields !== null
        ? (input.fields as Record<string, unknown>)
        : {
            full_name: `Test Lead ${number}`,
            email: `lead${number}@example.com`,
            phone_number: `+9198765${String(number).padStart(5, "0")}`,
            city: "Kochi",
            "which_course_are_you_interested_in?": "Data science",
          };
    const lead: Lead = {
      id: isId(input.id) ? input.id : newId(),
      form_id: form.id,
      page_id: form.page_id,
      created_time: typeof input.created_time === "number" ? input.created_time : seconds(),
      ad_id: text(input.ad_id, newId()),
      ad_name: text(input.ad_name, "Autumn intake video"),
      adgroup_id: text(input.adgroup_id, newId()),
      adset_name: text(input.adset_name, "Kerala, 18 to 24"),
      campaign_id: text(input.campaign_id, newId()),
      campaign_name: text(input.campaign_name, "Autumn intake"),
      is_organic: input.is_organic === true,
      platform: input.platform === "ig" ? "ig" : "fb",
      field_data: Object.entries(answers).map(([name, value]) => ({
        name,
        values: (Array.isArray(value) ? value : [value]).map(String),
      })),
    };
    leads.set(lead.id, lead);
    return lead;
  }

  return {
    pageId,
    ads: createAds(newId),
    defaultForm,
    forms,
    leads,
    createForm,
    createLead,
    /** Newest first, as the Graph API lists them. */
    leadsOf: (formId: string) =>
      [...leads.values()]
        .filter((lead) => lead.form_id === formId)
        .sort((a, b) => b.created_time - a.created_time || (BigInt(a.id) < BigInt(b.id) ? 1 : -1)),
  };
}

export type Objects = ReturnType<typeof createObjects>;
