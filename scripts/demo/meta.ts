// The control API of the simulated Meta: where in life a person would fill in a form of an ad.

export interface SimulatedLead {
  id: string;
  form_id: string;
}

export interface SimulatedDelivery {
  url: string;
  headers: Record<string, string>;
  body: string;
  attempts: { status: number | null; error: string | null; response: string; durationMs: number }[];
}

/** The form of the seed, with a mapping of its own for the last two questions. */
export const demoForm = {
  id: "310000000000001",
  page_id: "100000000000001",
  name: "Fellowship enquiry",
  questions: [
    { key: "full_name", label: "Full name", type: "FULL_NAME" },
    { key: "email", label: "Email", type: "EMAIL" },
    { key: "phone_number", label: "Phone number", type: "PHONE" },
    { key: "city", label: "City", type: "CITY" },
    { key: "which_course_are_you_interested_in?", label: "Which course are you interested in?" },
    { key: "years_of_practice", label: "Years of practice" },
  ],
};

export function connectMeta(simulatorUrl: string) {
  async function control<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${simulatorUrl}/_sim/${path}`, {
      method,
      ...(body
        ? { body: JSON.stringify(body), headers: { "content-type": "application/json" } }
        : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`The simulator refused ${method} ${path}: ${text}`);
    return JSON.parse(text) as T;
  }

  return {
    createForm: () => control("POST", "meta/forms", demoForm),
    verify: () => control<{ ok: boolean; status: number }>("POST", "meta/verify", {}),
    /** Somebody sends the form; Meta does not tell us yet. */
    createLead: (fields: Record<string, string>) =>
      control<{ lead: SimulatedLead }>("POST", "meta/leads", {
        form_id: demoForm.id,
        fields,
        deliver: false,
      }),
    deliver: (leadgenId: string) =>
      control<SimulatedDelivery>("POST", "meta/deliver", { leadgen_ids: [leadgenId] }),
    /** The next delivery goes out this many times, all at once. */
    multiplyNextDelivery: (times: number) =>
      control("POST", "faults", {
        provider: "meta",
        kind: "duplicate",
        times: 1,
        copies: times - 1,
      }),
    deliveriesOf: async (leadgenId: string) =>
      (await control<{ deliveries: SimulatedDelivery[] }>("GET", "journal")).deliveries.filter(
        (delivery) => delivery.body.includes(leadgenId),
      ),
  };
}

export type MetaControl = ReturnType<typeof connectMeta>;
