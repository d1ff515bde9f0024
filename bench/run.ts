import { benchImport } from "./import.ts";
import { benchQueue } from "./queue.ts";
import { benchRls } from "./rls.ts";
import { benchSearch } from "./search.ts";

const BENCHES: Record<string, () => Promise<boolean>> = {
  import: benchImport,
  queue: benchQueue,
  rls: benchRls,
  search: benchSearch,
};

const name = process.argv[2] ?? "";
const bench = BENCHES[name];
if (!bench) {
  process.stderr.write(`Which benchmark? npm run bench -- ${Object.keys(BENCHES).join(" | ")}\n`);
  process.exit(2);
}
process.exitCode = (await bench()) ? 0 : 1;
