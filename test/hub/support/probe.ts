/**
 * Stops the process, or with COLLOQUY_TEST_VICTIM=thread the thread of the store, at the point that the
 * file named by COLLOQUY_TEST_FATE asks for, once.
 */
import { readFileSync, unlinkSync } from "node:fs";
import type { Probe } from "../../../src/hub/probe.ts";

export const probe: Probe = (point) => {
  const file = process.env["COLLOQUY_TEST_FATE"];
  if (file === undefined || !takes(file, point)) return;
  if (process.env["COLLOQUY_TEST_VICTIM"] === "thread") process.exit(1);
  process.kill(process.pid, "SIGKILL");
};

/** Of all processes that see the file, one removes it. */
function takes(file: string, point: string): boolean {
  try {
    if (readFileSync(file, "utf8") !== point) return false;
    unlinkSync(file);
    return true;
  } catch {
    return false;
  }
}
