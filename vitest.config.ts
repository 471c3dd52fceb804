import { availableParallelism } from "node:os";
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

// These files share the modules of a worker, since loading them costs more than their tests do. What sets
// something for all of its file, or takes long by itself, is not among them.
const shared = [
  "{agent,delivery,exchange,link,message,observe,routing,runtime}/**",
  "broker/{engine,hub,memory}/**",
  "testing",
].map((folder) => `test/${folder}/*.test.ts`);

const config: ViteUserConfig = defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    projects: [
      { extends: true, test: { name: "shared", include: shared, isolate: false } },
      { extends: true, test: { name: "alone", include: ["test/**/*.test.ts"], exclude: shared } },
    ],
    pool: "forks",
    // Tests of processes and servers wait half of their time.
    maxWorkers: 2 * availableParallelism(),
    reporters: ["default", new SkippedReporter()],
    // For what hangs: a slow machine is no failure.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    coverage: { provider: "v8", include: ["src/**/*.ts"] },
  },
});

export default config;
