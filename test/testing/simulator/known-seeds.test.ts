import { test } from "vitest";
import { expectKept, knownSeeds } from "./seeds.ts";

for (const [what, { seed, ...options }] of Object.entries(knownSeeds)) {
  test(`${what}; not any more`, () => expectKept(seed, options));
}
