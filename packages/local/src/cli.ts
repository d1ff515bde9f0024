import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { CliError, commands } from "./cli/commands.ts";
import { StackError } from "./errors.ts";
import { PROJECT_ROOT } from "./paths.ts";

const USAGE = `Usage: npm run local -- <command> [options]

Commands:
  start    boot the backend in the foreground (also: npm start)
  stop     stop the one that runs on the data folder
  status   print its addresses and keys; -o env | json for scripts
  reset    throw the data away; keys stay the same
  logs     print the last lines of each log; -f follows them
  psql     open psql on it as postgres; what follows -- goes to psql

Options:
  --port <n>             API port (54321)
  --db-port <n>          database port (54322)
  --pg <engine>          embedded (PostgreSQL 17 from npm) or system (Debian's 15)
  --data-dir <folder>    where data lives (.local)
  --workdir <folder>     the folder that contains supabase/ (this repository)
  --expose-new-tables    grant every new table to the API roles, as projects before 30 October 2026
`;

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const divider = args.indexOf("--");
  const { values, positionals } = parseArgs({
    args: divider < 0 ? args : args.slice(0, divider),
    allowPositionals: true,
    options: {
      port: { type: "string" },
      "db-port": { type: "string" },
      pg: { type: "string" },
      "data-dir": { type: "string" },
      workdir: { type: "string" },
      "expose-new-tables": { type: "boolean" },
      output: { type: "string", short: "o" },
      follow: { type: "boolean", short: "f" },
      help: { type: "boolean", short: "h" },
    },
  });
  const [name = ""] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const options = {
    apiPort: port(values.port, "--port"),
    dbPort: port(values["db-port"], "--db-port"),
    engine: engine(values.pg),
    root: values.workdir ? resolve(values.workdir) : PROJECT_ROOT,
    dataDir: values["data-dir"],
    exposeNewTables: values["expose-new-tables"],
    output: values.output,
    follow: values.follow ?? false,
    rest: divider < 0 ? positionals.slice(1) : args.slice(divider + 1),
  };
  if (name === "start") {
    // The other commands answer at once because they do not load the whole stack.
    const { start } = await import("./cli/start.ts");
    return await start(options);
  }
  const command = commands[name];
  if (command) return await command(options);
  process.stderr.write(USAGE);
  return 2;
}

function port(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value < 65_536) return value;
  throw new StackError(`${flag} ${text} is not a port.`);
}

function engine(text: string | undefined): "embedded" | "system" | undefined {
  if (text === undefined || text === "embedded" || text === "system") return text;
  throw new StackError(`--pg ${text}: choose embedded or system.`);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const isExpected =
      error instanceof StackError ||
      error instanceof CliError ||
      String((error as { code?: string }).code).startsWith("ERR_PARSE_ARGS");
    const text =
      error instanceof Error ? (isExpected ? error.message : error.stack) : String(error);
    process.stderr.write(`${text}\n`);
    process.exitCode = 1;
  },
);
