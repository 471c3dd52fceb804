/** Says at the end of a run which tests were left out, and which servers they would have needed. */
import type { Reporter, TestModule, Vitest } from "vitest/node";
import { findServer } from "../../scripts/brokers/find-server.ts";
import { serverNames, servers } from "../../scripts/brokers/servers.ts";

export class SkippedReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // Whoever picks tests by their name knows that the others are left out.
    if (this.#vitest?.config.testNamePattern !== undefined) return;
    const lines = modules.flatMap((module) => {
      const count = [...module.children.allTests("skipped")].length;
      return count === 0 ? [] : [`  ${count} of ${module.relativeModuleId}`];
    });
    if (lines.length > 0) this.#vitest?.logger.log(["Skipped:", ...lines, ...missing()].join("\n"));
  }
}

function missing(): readonly string[] {
  return serverNames
    .filter((name) => findServer(name) === undefined)
    .map((name) => `  There is no ${servers[name].program}: npm run brokers -- install ${name}`);
}
