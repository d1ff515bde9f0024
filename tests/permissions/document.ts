/** Prints the matrix as docs/permissions.md. */
import { apiRoles } from "./catalogue.ts";
import { expectations } from "./expectations.ts";
import { expectedObservation, type Kind } from "./observe.ts";
import { personas } from "./personas.ts";

const titles: Record<Kind, string> = {
  relations: "Tables and views",
  functions: "RPCs",
  buckets: "Storage buckets",
  topics: "Realtime topics",
};

const head = `# Who may do what

Generated from \`tests/permissions\` by \`npm run permissions\`, and checked against the database by
every run of the tests: each cell is tried as that person. Do not edit.

| | |
|---|---|
| \`+\` | allowed |
| \`.\` | nothing there: row level security hides the row |
| \`x\` | refused by a policy (42501) |
| \`-\` | refused for lack of a grant (42501) |
| a code | refused with that error |

The row belongs to the own counselor, a member of the team that the own manager manages. Disabled
and revoked are tried as that counselor and as an admin: an account that was deactivated, and a
session that was ended while its token is still valid. Service is the secret key.
`;

const row = (cells: string[]) => `| ${cells.join(" | ")} |`;

function table(kind: Kind): string {
  const lines: string[] = [
    row(["object", "verb", ...personas]),
    row(["---", "---", ...personas.map(() => ":-:")]),
  ];
  for (const name of Object.keys(expectations[kind]).sort()) {
    for (const [what, line] of Object.entries(expectedObservation(expectations, kind, name))) {
      if (what === "executors" || what === "protection" || what.startsWith("grants ")) continue;
      lines.push(row([`\`${name}\``, what, ...line.split(" ").map(cell)]));
    }
  }
  return lines.join("\n");
}

const cell = (outcome: string) =>
  /^[+.x-]$/.test(outcome) ? outcome : outcome.replace("|", " / ");

function grants(): string {
  const lines = [row(["object", "role", "grants"]), row(["---", "---", "---"])];
  for (const name of Object.keys(expectations.relations).sort()) {
    const expected = expectedObservation(expectations, "relations", name);
    for (const role of apiRoles) {
      const held = expected[`grants ${role}`];
      if (held) lines.push(row([`\`${name}\``, role, held]));
    }
  }
  return lines.join("\n");
}

export function printMatrix(): string {
  const parts = [head];
  for (const kind of Object.keys(titles) as Kind[]) {
    if (Object.keys(expectations[kind]).length === 0) continue;
    parts.push(`## ${titles[kind]}\n`, `${table(kind)}\n`);
  }
  parts.push("## Grants\n", "Columns are named where a grant is not on the whole table.\n");
  parts.push(`${grants()}\n`);
  return parts.join("\n");
}
