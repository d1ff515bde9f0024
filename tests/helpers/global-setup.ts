/** Gives `npx vitest` on its own what `npm test` gives it: a project in the environment. */
import { openProject, projectToEnvironment } from "./environment.ts";

export default async function setup(): Promise<() => Promise<void>> {
  const project = await openProject();
  Object.assign(process.env, projectToEnvironment(project));
  return project.close;
}
