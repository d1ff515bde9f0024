// The Data API as an OpenAPI document. PostgREST makes one, too, but hosted projects show theirs to secret
// keys alone.

import type { Sql } from "postgres";
import {
  type Column,
  columnsOf,
  type Relation,
  type Routine,
  relationsOf,
  routinesOf,
} from "./catalogue.ts";

interface Schema {
  type?: string;
  format?: string;
  items?: Schema;
  description?: string;
}

const exact: Record<string, Schema> = {
  uuid: { type: "string", format: "uuid" },
  boolean: { type: "boolean" },
  date: { type: "string", format: "date" },
  "timestamp with time zone": { type: "string", format: "date-time" },
  // Any JSON.
  json: {},
  jsonb: {},
};

function schemaOf(type: string): Schema {
  if (type.endsWith("[]")) return { type: "array", items: schemaOf(type.slice(0, -2)) };
  if (/^(small|big)?int(eger)?$/.test(type)) return { type: "integer" };
  if (/^(numeric|double precision|real)/.test(type)) return { type: "number" };
  return exact[type] ?? { type: "string" };
}

const object = (
  fields: { name: string; type: string; is_required: boolean; comment?: string | null }[],
) => ({
  type: "object",
  properties: Object.fromEntries(
    fields.map(({ name, type, comment }) => [
      name,
      { ...schemaOf(type), ...(comment ? { description: comment } : {}) },
    ]),
  ),
  required: fields.filter((field) => field.is_required).map((field) => field.name),
});

const inQuery = (name: string, description: string) => ({
  name,
  in: "query",
  description,
  required: false,
  schema: { type: "string" },
});

const prefer = {
  name: "Prefer",
  in: "header",
  description: "return=representation answers the rows",
  required: false,
  schema: { type: "string" },
};

const ofBody = (schema: object) => ({
  required: true,
  content: { "application/json": { schema } },
});

const answers = (description: string) => ({
  "2XX": { description },
  default: {
    description: "Refused",
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  },
});

function relationPath({ name, comment, commands }: Relation, columns: Column[]) {
  const filters = columns.map((column) =>
    inQuery(column.name, `${column.type}: eq.value, gt.value, in.(a,b), ilike.*text*, is.null`),
  );
  const writable = columns.filter((column) => column.is_writable);
  const operation = (verb: string, summary: string, more: object) => ({
    operationId: `${verb}_${name}`,
    summary,
    ...(comment ? { description: comment } : {}),
    ...more,
  });
  const all = {
    get: operation("select", `Read ${name}`, {
      parameters: [
        inQuery("select", "Columns, separated by commas"),
        inQuery("order", "column.desc"),
        inQuery("limit", "How many rows"),
        inQuery("offset", "After how many rows"),
        ...filters,
      ],
      responses: answers("Rows"),
    }),
    post: operation("insert", `Add to ${name}`, {
      parameters: [prefer],
      requestBody: ofBody(object(writable)),
      responses: answers("Added"),
    }),
    patch: operation("update", `Change ${name}`, {
      parameters: [prefer, ...filters],
      requestBody: ofBody({ ...object(writable), required: [] }),
      responses: answers("Changed"),
    }),
    delete: operation("delete", `Delete from ${name}`, {
      parameters: filters,
      responses: answers("Deleted"),
    }),
  };
  const granted = { get: "select", post: "insert", patch: "update", delete: "delete" };
  return Object.fromEntries(
    Object.entries(all).filter(([method]) =>
      commands.includes(granted[method as keyof typeof granted]),
    ),
  );
}

const routinePath = ({ name, comment, inputs, is_anonymous }: Routine) => ({
  post: {
    operationId: name,
    summary: name,
    ...(comment ? { description: comment } : {}),
    parameters: [],
    requestBody: ofBody(object(inputs)),
    responses: answers("The answer"),
    ...(is_anonymous ? { security: [{ key: [] }] } : {}),
  },
});

/** Everything that is granted to people who are signed in; which rows they reach, policies decide. */
export async function dataApiDocument(sql: Sql) {
  const [relations, columns, routines] = await Promise.all([
    relationsOf(sql),
    columnsOf(sql),
    routinesOf(sql),
  ]);
  const of = (relation: Relation) => columns.filter((column) => column.relation === relation.name);
  return {
    openapi: "3.1.0",
    info: { title: "Data API", description: "Tables, views and functions.", version: "1" },
    servers: [{ url: "/rest/v1" }],
    security: [{ key: [], person: [] }],
    paths: Object.fromEntries([
      ...routines.map((routine) => [`/rpc/${routine.name}`, routinePath(routine)]),
      ...relations.map((relation) => [`/${relation.name}`, relationPath(relation, of(relation))]),
    ]),
    components: {
      securitySchemes: {
        key: { type: "apiKey", in: "header", name: "apikey" },
        person: { type: "http", scheme: "bearer" },
      },
      schemas: {
        Error: {
          type: "object",
          properties: {
            code: { type: "string" },
            message: { type: "string" },
            details: { type: ["string", "null"] },
            hint: { type: ["string", "null"] },
          },
        },
      },
    },
  };
}
