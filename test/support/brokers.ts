/**
 * Which servers the tests of brokers have. Each test starts its own, from the program that is installed:
 * none waits for, or disturbs, what `npm run brokers -- up` has started.
 */
import { findServer } from "../../scripts/brokers/find-server.ts";
import type { ServerName } from "../../scripts/brokers/servers.ts";

/**
 * For `test.skipIf`: whether tests over this server are left out here. With CI set they are not, and fail.
 * `npm run brokers -- install` changes that.
 */
export function missingServer(name: ServerName): boolean {
  return process.env["CI"] === undefined && findServer(name) === undefined;
}

/** Found once: looking asks every program for its version, while the clients of a server that restarts wait. */
const programs = new Map<ServerName, string>();

/** The program of a server to start. @throws Error where there is none. */
export function serverProgram(name: ServerName): string {
  const path = programs.get(name) ?? findServer(name)?.path;
  if (path === undefined) throw new Error(`no ${name} server here: npm run brokers -- install`);
  programs.set(name, path);
  return path;
}
