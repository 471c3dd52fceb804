/** What says the same of every server runs over each of them. */
import { afterAll, describe } from "vitest";
import { type ServerName, serverNames } from "../../../scripts/brokers/servers.ts";
import { missingServer } from "../brokers.ts";
import type { Server } from "./server.ts";
import { startServer } from "./servers.ts";

/**
 * Declares tests over one server.
 *
 * @param server - gives it: started when first asked for, shared by all of these tests, gone after them.
 */
export type OverServer = (server: () => Promise<Server>, name: ServerName) => void;

export function overServer(name: ServerName, declare: OverServer): void {
  describe.skipIf(missingServer(name))(`over ${name}`, () => {
    let shared: Promise<Server> | undefined;
    afterAll(async () => (await shared)?.remove());
    declare(() => {
      shared ??= startServer[name]();
      return shared;
    }, name);
  });
}

export function overEachServer(declare: OverServer): void {
  for (const name of serverNames) overServer(name, declare);
}
