/** The project under test. */
import { type Project, projectFromEnvironment } from "./environment.ts";

export function stack(): Project {
  const project = projectFromEnvironment();
  if (!project) throw new Error("No project: run through `npm test` or `npx vitest`");
  return project;
}
