/** Templates of messages, written by who may and previewed by everybody who sends. */
import { beforeAll, describe, expect, it } from "vitest";
import { messagePreviewSchema, messageTemplateSchema } from "../../packages/types/src/templates.ts";
import {
  createTeam,
  createUser,
  expectData,
  expectError,
  type Person,
  unique,
} from "../helpers/index.ts";

let manager: Person;
let counselor: Person;

beforeAll(async () => {
  const team = await createTeam();
  manager = await createUser({ role: "manager", team });
  counselor = await createUser({ team, fullName: "Chetan Kumar" });
});

const name = () =>
  unique("offer")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-");

describe("templates", () => {
  it("[D0-059] [D2-033] are written, listed by channel, changed and removed", async () => {
    const written = await manager.client
      .from("message_templates")
      .insert({
        name: name(),
        channel: "email",
        format: "html",
        subject: "Your offer, {{name}}",
        content: "<p>Dear {{name}}, your fee is {{fee}}. {{counselor}}</p>",
      })
      .select()
      .single();
    const template = messageTemplateSchema.parse(expectData(written));
    expect(template.variables).toEqual(["name", "fee", "counselor"]);

    const listed = await counselor.client
      .from("message_templates")
      .select("name, channel")
      .eq("channel", "email")
      .in("name", [template.name, "welcome", "follow-up-v2"])
      .order("name");
    expect(listed.data).toHaveLength(3);

    const lead = expectData(
      await counselor.client
        .from("leads")
        .insert({ name: "Asha <Rao>" })
        .select("lead_id")
        .single(),
    );
    const preview = await counselor.client.rpc("message_preview", {
      p_template: template.name,
      p_lead_id: lead.lead_id,
      p_variables: { fee: "5000 & more" },
    });
    expect(messagePreviewSchema.parse(preview.data)).toMatchObject({
      subject: "Your offer, Asha <Rao>",
      content: "<p>Dear Asha &lt;Rao&gt;, your fee is 5000 &amp; more. Chetan Kumar</p>",
      missing: [],
    });

    const changed = await manager.client
      .from("message_templates")
      .update({ content: "{{name}}" })
      .eq("id", template.id)
      .select("variables, version")
      .single();
    expect(changed.data).toEqual({ variables: ["name"], version: 2 });
    await manager.client.from("message_templates").delete().eq("id", template.id);
    const gone = await counselor.client.rpc("message_preview", { p_template: template.name });
    expectError(gone, { code: "PT404", details: "template_not_found", status: 404 });
  });

  it("are not written by who may not manage them", async () => {
    const refused = await counselor.client
      .from("message_templates")
      .insert({ name: name(), channel: "sms", content: "x" });
    expectError(refused, { code: "42501", status: 403 });
  });
});
