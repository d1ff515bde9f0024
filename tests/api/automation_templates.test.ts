/** Templates, and workflows made from them. What each does is proved in tests/database. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  automationTemplateSchema,
  automationWorkflowSchema,
} from "../../packages/types/src/index.ts";
import { createUser, expectError, type Person, unique } from "../helpers/index.ts";

let admin: Person;
let manager: Person;

beforeAll(async () => {
  [admin, manager] = await Promise.all([
    createUser({ role: "admin" }),
    createUser({ role: "manager" }),
  ]);
});

describe("automation_templates", () => {
  it("[D4-059] are the four that the document names", async () => {
    const { data } = await manager.client.from("automation_templates").select().order("position");
    const templates = automationTemplateSchema.array().parse(data);
    expect(templates.map(({ name, slug }) => [name, slug])).toEqual([
      ["New Lead Follow-up", "new-lead-follow-up"],
      ["Missed Call Follow-up", "missed-call-follow-up"],
      ["Lead Qualification", "lead-qualification"],
      ["Overdue Reminder Alert", "overdue-reminder-alert"],
    ]);
  });
});

describe("automation_from_template", () => {
  it("[D4-060] makes a workflow of each, with changes", async () => {
    const source = unique("template");
    const { data: templates } = await admin.client.from("automation_templates").select();
    for (const template of automationTemplateSchema.array().parse(templates)) {
      const { data } = await admin.client.rpc("automation_from_template", {
        p_template_name: template.name,
        p_overrides: { name: unique("Mine"), trigger_conditions: { source }, status: "draft" },
      });
      expect(automationWorkflowSchema.parse(data)).toMatchObject({
        trigger_type: template.trigger_type,
        trigger_conditions: { source },
        actions: template.actions,
        status: "draft",
        created_by: admin.id,
      });
    }
    const unknown = await admin.client.rpc("automation_from_template", { p_template_name: "None" });
    expectError(unknown, { code: "PT404", details: "automation_template_not_found", status: 404 });
    const denied = await manager.client.rpc("automation_from_template", {
      p_template_name: "lead-qualification",
    });
    expectError(denied, { code: "42501", status: 403 });
  });
});
