import type { Person } from "./people.ts";

export interface FunctionAnswer {
  status: number;
  /** What the function answered, read as JSON; null where it answered nothing. */
  body: unknown;
  /** The stable code of a refusal. */
  code: string | undefined;
}

/** Calls an edge function as a frontend does, with supabase-js. */
export async function invoke(
  by: Person,
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  body?: Record<string, unknown>,
): Promise<FunctionAnswer> {
  const { data, error, response } = await by.client.functions.invoke(path, {
    method,
    ...(body === undefined ? {} : { body }),
  });
  if (!response) throw error;
  const refusal = error ? ((await response.json()) as { details?: string }) : undefined;
  return {
    status: response.status,
    body: error ? refusal : data,
    code: refusal?.details?.split(":")[0],
  };
}
