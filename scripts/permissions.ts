/** Writes docs/permissions.md from the expectations. */
import { writeFileSync } from "node:fs";
import { printMatrix } from "../tests/permissions/document.ts";

writeFileSync(new URL("../docs/permissions.md", import.meta.url), printMatrix());
