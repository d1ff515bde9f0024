import { defineConfig } from "vitest/config";

const permissions = "tests/permissions/**/*.test.ts";

export default defineConfig({
  test: {
    globalSetup: ["tests/helpers/global-setup.ts"],
    // The stack, Postgres and Deno share the machine with the tests.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 15_000,
    restoreMocks: true,
    env: { TZ: "UTC" },
    projects: [
      {
        // Drops policies and flips grants, undone at once, but seen as locks by everything else.
        extends: true,
        test: {
          name: "permissions",
          include: [permissions],
          maxWorkers: 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "behaviour",
          include: ["tests/**/*.test.ts"],
          exclude: [permissions],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
