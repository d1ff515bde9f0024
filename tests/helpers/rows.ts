import { type Contact, contactSchema } from "@intake/types";
import { expectData } from "./expect.ts";
import { type Person, unique } from "./people.ts";

/** A lead that the person enters. */
export async function addLead(
  person: Person,
  fields: Record<string, unknown> = {},
): Promise<{ id: string; lead_id: string }> {
  return expectData(
    await person.client
      .from("leads")
      .insert({ name: unique("Lead"), ...fields })
      .select("id, lead_id")
      .single(),
  );
}

/** A contact that the person enters. */
export async function addContact(
  person: Person,
  fields: Record<string, unknown> = {},
): Promise<Contact> {
  return contactSchema.parse(
    expectData(
      await person.client
        .from("contacts")
        .insert({ name: unique("Contact"), ...fields })
        .select()
        .single(),
    ),
  );
}

/** What the person sees of a timeline, in its order. */
export async function timelineOf(person: Person, id: string) {
  const { data } = await person.client
    .from("timeline")
    .select("type, title, by")
    .eq("entity_id", id)
    .order("timestamp")
    .order("id");
  return data;
}
