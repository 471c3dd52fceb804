/**
 * Prints "N passed, N failed, N skipped" for a JSON report of the test runner.
 *
 *   node scripts/print-summary.ts .vitest/results.json [EXIT_CODE_OF_THE_RUNNER]
 *
 * Ends with 1 when a test was skipped: whoever asks for a summary has all that the tests need.
 *
 * A file that could not be loaded, a run that failed outside any test, and a missing or broken report each
 * count as one failure, so a run that failed never reads as one that passed. Of an error that belongs to
 * no test, say a rejection that nobody handled, the report says nothing: only the exit code tells.
 */
import { readFileSync } from "node:fs";

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

function summarise(report: Report, exitCode: string): string {
  const unloadable = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((result) => result.status === "failed"),
  );
  const failed = report.numFailedTests + unloadable.length;
  const skipped = report.numPendingTests + report.numTodoTests;
  const outsideTests = report.success && exitCode === "0" ? 0 : 1;
  return `${report.numPassedTests} passed, ${failed || outsideTests} failed, ${skipped} skipped`;
}

function summaryOf(path: string, exitCode: string): string {
  try {
    return summarise(JSON.parse(readFileSync(path, "utf8")) as Report, exitCode);
  } catch {
    return "0 passed, 1 failed, 0 skipped";
  }
}

const [path, exitCode = "0"] = process.argv.slice(2);
if (path === undefined) throw new Error("usage: node scripts/print-summary.ts REPORT [EXIT_CODE]");
const summary = summaryOf(path, exitCode);
console.log(summary);
if (!summary.endsWith(" 0 skipped")) process.exitCode = 1;
