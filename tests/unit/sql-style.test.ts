import { describe, expect, it } from "vitest";
import { lintSql } from "../../scripts/lint-sql.ts";

const header = "-- Leads: the people who enquired.\n\n";
const faults = (text: string, name = "supabase/migrations/1_x.sql") =>
  lintSql(name, text).map((fault) => fault.replace(`${name}:`, ""));

describe("the SQL style check", () => {
  it("finds keywords in capitals, but not in comments, strings and names", () => {
    expect(faults(`${header}SELECT 1;\n`)).toEqual(["3: SELECT: keywords are lower-case"]);
    expect(faults(`${header}select 'SELECT' as "FROM"; -- WHERE\n`)).toEqual([]);
    expect(faults(`${header}select 'two\nlines';\nDROP table x;\n`)).toEqual([
      "5: DROP: keywords are lower-case",
    ]);
  });

  it("wants the file to say what it is for, and tidy lines", () => {
    expect(faults("select 1;\n")).toEqual(["1: say first what the file is for"]);
    expect(faults(`${header}select 1; \n\n\nselect\t2;`)).toEqual([
      "6: end with a line break",
      "3: no tabs and no trailing blanks",
      "6: no tabs and no trailing blanks",
      "4: one empty line is enough",
    ]);
  });

  it("lets no migration grant to everybody or on everything", () => {
    expect(faults(`${header}grant select on public.leads to public;\n`)).toHaveLength(1);
    expect(faults(`${header}grant select on all tables in schema public to anon;\n`)).toHaveLength(
      1,
    );
    expect(faults(`${header}grant select on public.leads to authenticated;\n`)).toEqual([]);
  });
});
