import { fileURLToPath } from "node:url";
import { defaultExclude, defineConfig, type ViteUserConfig } from "vitest/config";

// Commands and nodes that tests start find even their first file compiled: a third of what a short command takes.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/meridian", import.meta.url));

/** Suites that ask as fast as they can: another at their side would be measured with them. */
const LOADED = ["control", "failover", "overload", "rate-limit", "store", "upgrade", "weights", "worker"].map(
  (name) => `test/e2e/${name}.test.ts`,
);

/** Suites of whole servers, each in a process of its own. All others share a few, which load and compile what they import once. */
const SERVERS = ["conformance", "demo", "e2e", "serve"].map((folder) => `test/${folder}/**`);

const config: ViteUserConfig = defineConfig({
  test: {
    pool: "forks",
    globalSetup: "test/temporary.ts",
    unstubEnvs: true,
    // Far more than any takes: the host of a virtual machine may take half of it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // End-to-end tests wait most of the time: two at a time left a core of two idle for a third of it.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: {
          name: "shared",
          include: ["test/*/**/*.test.ts"],
          exclude: [...defaultExclude, ...SERVERS],
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "together",
          include: ["test/*.test.ts", ...SERVERS.map((folder) => `${folder}/*.test.ts`)],
          exclude: [...defaultExclude, ...LOADED],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: "alone", include: LOADED, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
    // What every query runs through has no branch that no test takes: `npm run coverage:answer`.
    coverage: {
      include: ["src/**"],
      provider: "v8",
      thresholds: { "src/{wire,answer}/**": { branches: 100, functions: 100, lines: 100 } },
    },
  },
});

export default config;
