/** Gives `npx vitest` on its own what `npm test` gives it: a project in the environment. */
import { openProject, projectToEnvironment } from "./environment.ts";

/** A killed `npm test` must not leave its tests behind, asking a database that is gone. */
function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, 1_000).unref();
}

export default async function setup(): Promise<() => Promise<void>> {
  endWithParent();
  const project = await openProject();
  Object.assign(process.env, projectToEnvironment(project));
  return project.close;
}
