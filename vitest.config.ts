import { fileURLToPath } from "node:url";
import { defaultServerConditions } from "vite";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { SkippedReporter } from "./test/support/skipped-reporter.ts";

// "colloquy" means src/ here, in the tests' worker threads and in the processes they fork.
const conditions = ["@colloquy/source", ...defaultServerConditions];

// Hundreds of processes and threads are started from src/: two thirds of what that costs is reading and
// compiling it, which is done once for all of them.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL("node_modules/.cache/compiled", import.meta.url),
);

const config: ViteUserConfig = defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default", new SkippedReporter()],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    coverage: { provider: "v8", include: ["src/**/*.ts"] },
  },
});

export default config;
