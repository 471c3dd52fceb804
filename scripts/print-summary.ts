/**
 * Prints "N passed, N failed, N skipped" for a JSON report of the test runner.
 *
 *   node scripts/print-summary.ts .vitest/results.json
 *
 * Ends with 1 when a test was skipped: whoever asks for a summary has all that the tests need.
 *
 * A file that could not be loaded, a run that failed outside any test, and a missing report each
 * count as one failure, so a run that failed never reads as one that passed.
 */
import { existsSync, readFileSync } from "node:fs";

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

function summarise(report: Report): string {
  const unloadable = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((result) => result.status === "failed"),
  );
  const failed = report.numFailedTests + unloadable.length;
  const skipped = report.numPendingTests + report.numTodoTests;
  return `${report.numPassedTests} passed, ${failed || (report.success ? 0 : 1)} failed, ${skipped} skipped`;
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("usage: node scripts/print-summary.ts REPORT");
const missing = "0 passed, 1 failed, 0 skipped";
const summary = existsSync(path)
  ? summarise(JSON.parse(readFileSync(path, "utf8")) as Report)
  : missing;
console.log(summary);
if (!summary.endsWith(" 0 skipped")) process.exitCode = 1;
