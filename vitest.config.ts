import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // What every query runs through has no branch that no test takes: `npm run coverage:answer`.
    coverage: {
      include: ["src/**"],
      provider: "v8",
      thresholds: { "src/{wire,answer}/**": { branches: 100, functions: 100, lines: 100 } },
    },
  },
});

export default config;
