/** What `up` has started, on file, so that `down` and `status` of other processes know it. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ServerName } from "./servers.ts";

/** Of this checkout; not under version control. */
export const homeDirectory: string = fileURLToPath(new URL("../../.brokers", import.meta.url));

export type Running = {
  readonly name: ServerName;
  readonly url: string;
  readonly version: string;
} & (
  | { readonly by: "process"; readonly pid: number; readonly begun: string }
  | { readonly by: "compose" }
);

/** `NAME/` holds its data, `NAME.log` what it prints, `NAME.json` what is known of it while it runs. */
export interface Files {
  readonly data: string;
  readonly log: string;
  readonly state: string;
}

export function filesOf(home: string, name: ServerName): Files {
  const at = (file: string): string => join(home, file);
  return { data: at(name), log: at(`${name}.log`), state: at(`${name}.json`) };
}

export function readRunning(home: string, name: ServerName): Running | undefined {
  try {
    return JSON.parse(readFileSync(filesOf(home, name).state, "utf8")) as Running;
  } catch {
    return undefined;
  }
}

/** Whole or not at all. */
export function writeRunning(home: string, running: Running): void {
  mkdirSync(home, { recursive: true });
  const { state } = filesOf(home, running.name);
  const temporary = `${state}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(running, undefined, 2)}\n`);
  renameSync(temporary, state);
}

export function forgetRunning(home: string, name: ServerName): void {
  rmSync(filesOf(home, name).state, { force: true });
}
