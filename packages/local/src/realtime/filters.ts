/** The filters of a postgres_changes binding: `column=operator.value`, joined by commas as "and". */

export interface Filter {
  column: string;
  operator: string;
  value: string;
  negate: boolean;
}

/** One table, or every table of a schema, and what to hear of it. */
export interface ChangeRequest {
  event: string;
  schema: string;
  table: string;
  filters: Filter[];
  /** Null for all columns. */
  columns: string[] | null;
}

export class BadChangeRequest extends Error {}

const SYMBOLS: Record<string, string> = {
  eq: "=",
  neq: "<>",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
  in: "= any",
  like: "like",
  ilike: "ilike",
  match: "~",
  imatch: "~*",
  isdistinct: "is distinct from",
  is: "is",
};

const IS_KEYWORDS = ["null", "true", "false", "unknown"];

export function parseChangeRequest(params: Record<string, unknown>): ChangeRequest {
  const { schema, table, filter, event, select } = params;
  if (typeof schema !== "string" && typeof table !== "string") {
    throw new BadChangeRequest(
      "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to",
    );
  }
  const action = typeof event === "string" ? event.toUpperCase() : "*";
  const columns = Array.isArray(select) ? select.filter((name) => typeof name === "string") : [];
  return {
    event: ["INSERT", "UPDATE", "DELETE"].includes(action) ? action : "*",
    schema: typeof schema === "string" ? schema : "public",
    table: typeof table === "string" ? table : "*",
    filters: typeof filter === "string" && filter.trim() !== "" ? parseFilters(filter) : [],
    columns: columns.length > 0 ? columns : null,
  };
}

/**
 * The filter as SQL, over the column's value and the filter's value as text parameters. Only the
 * type, which comes from the catalogue, and operators of this file become part of the statement.
 */
export function filterExpression(
  { operator, value, negate }: Filter,
  sqlType: string,
  columnParameter: string,
  valueParameter: string,
): string {
  const column = `${columnParameter}::text::${sqlType}`;
  let expression: string;
  if (operator === "is") {
    if (!IS_KEYWORDS.includes(value)) {
      throw new BadChangeRequest(
        "invalid value for is filter: must be null, true, false, or unknown",
      );
    }
    // The parameter is named so that every filter takes two.
    expression = `(${column} is ${value} and ${valueParameter}::text is not null)`;
  } else if (operator === "in") {
    expression = `${column} = any (${valueParameter}::text::${sqlType}[])`;
  } else {
    expression = `${column} ${SYMBOLS[operator]} ${valueParameter}::text::${sqlType}`;
  }
  return `coalesce(${negate ? `not (${expression})` : expression}, false)`;
}

function parseFilters(text: string): Filter[] {
  return splitTopLevel(text.trim()).map((segment) => {
    const match = /^([^=]+)=(not\.)?([a-z]+)\.(.*)$/s.exec(segment.trim());
    if (!match) throw new BadChangeRequest(`Error parsing \`filter\` params: ["${segment}"]`);
    const [, column = "", not, operator = "", raw = ""] = match;
    if (!(operator in SYMBOLS)) {
      throw new BadChangeRequest(`Error parsing \`filter\` params: ["${operator}", "${raw}"]`);
    }
    return { column, operator, value: filterValue(operator, raw), negate: not !== undefined };
  });
}

function filterValue(operator: string, raw: string): string {
  if (operator === "in") {
    if (!raw.startsWith("(") || !raw.endsWith(")")) {
      throw new BadChangeRequest(
        "Error parsing `filter` params: `in` filter value must be wrapped by parentheses",
      );
    }
    return `{${raw.slice(1, -1)}}`;
  }
  const quoted = /^"((?:[^"\\]|\\.)*)"$/s.exec(raw);
  return quoted ? (quoted[1] ?? "").replace(/\\(.)/gs, "$1") : raw;
}

/** Splits at commas that are neither within parentheses nor within a quoted value. */
function splitTopLevel(text: string): string[] {
  const segments: string[] = [];
  let current = "";
  let depth = 0;
  let isQuoted = false;
  for (let index = 0; index < text.length; index++) {
    const char = text.charAt(index);
    if (isQuoted && char === "\\") {
      current += char + text.charAt(++index);
      continue;
    }
    if (char === '"') {
      if (isQuoted) isQuoted = false;
      else if (/[.(,]$/.test(current)) isQuoted = true;
    } else if (!isQuoted && char === "(") depth++;
    else if (!isQuoted && char === ")") depth = Math.max(0, depth - 1);
    else if (!isQuoted && char === "," && depth === 0) {
      segments.push(current);
      current = "";
      continue;
    }
    current += char;
  }
  return [...segments, current];
}
