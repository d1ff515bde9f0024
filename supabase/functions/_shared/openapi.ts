// The document that a function serves about itself, made of the same schemas that check its bodies.

import { z } from "zod";

export interface ResponseDescription {
  description: string;
  schema?: z.ZodType;
  contentType?: string;
}

export interface Operation {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** Below the function's own path, as in `/meta`. */
  path: string;
  id: string;
  summary: string;
  description?: string;
  query?: Record<string, { description: string; required?: boolean }>;
  headers?: Record<string, { description: string; required?: boolean }>;
  body?: { schema: z.ZodType; description?: string };
  responses: Record<number, ResponseDescription>;
}

export interface Info {
  name: string;
  title: string;
  description: string;
  version: string;
}

const schemaOf = (schema: z.ZodType, io: "input" | "output") => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
};

function parameters(operation: Operation) {
  const list = (place: "query" | "header", from: Operation["query"]) =>
    Object.entries(from ?? {}).map(([name, { description, required = false }]) => ({
      name,
      in: place,
      description,
      required,
      schema: { type: "string" },
    }));
  const inPath = [...operation.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  return [...inPath, ...list("query", operation.query), ...list("header", operation.headers)];
}

function responses(operation: Operation, error: z.ZodType) {
  return Object.fromEntries(
    Object.entries(operation.responses).map(([status, { description, schema, contentType }]) => {
      const shown = schema ?? (Number(status) >= 400 ? error : undefined);
      const type = contentType ?? "application/json";
      return [
        status,
        {
          description,
          ...(shown ? { content: { [type]: { schema: schemaOf(shown, "output") } } } : {}),
        },
      ];
    }),
  );
}

export function openApiDocument(info: Info, operations: Operation[], error: z.ZodType) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    const path = `/${info.name}${operation.path === "/" ? "" : operation.path}`.replace(
      /:(\w+)/g,
      "{$1}",
    );
    paths[path] = {
      ...paths[path],
      [operation.method]: {
        operationId: operation.id,
        summary: operation.summary,
        ...(operation.description ? { description: operation.description } : {}),
        parameters: parameters(operation),
        ...(operation.body
          ? {
              requestBody: {
                required: true,
                ...(operation.body.description ? { description: operation.body.description } : {}),
                content: {
                  "application/json": { schema: schemaOf(operation.body.schema, "input") },
                },
              },
            }
          : {}),
        responses: responses(operation, error),
      },
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: info.title, description: info.description, version: info.version },
    servers: [{ url: "/functions/v1" }],
    paths,
  };
}
