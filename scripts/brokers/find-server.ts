/** Finds the servers that are installed, and passes over those that are too old. */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { findBinaries, pathDirectories } from "./find-binary.ts";
import { type ServerName, servers } from "./servers.ts";

export interface FoundServer {
  /** Of the program. */
  readonly path: string;
  readonly version: string;
}

/** Where `install.ts` puts what it builds, for all checkouts of this user. */
export const installedIn: string = join(
  process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"),
  "colloquy",
  "servers",
);

/**
 * The program that COLLOQUY_NATS_SERVER or COLLOQUY_REDIS_SERVER names, whatever its version; else the
 * first that is recent enough: on PATH, where `go install` leaves programs, built by us.
 */
export function findServer(name: ServerName): FoundServer | undefined {
  const chosen = process.env[`COLLOQUY_${name.toUpperCase()}_SERVER`];
  if (chosen !== undefined && chosen !== "") {
    return { path: chosen, version: versionOf(chosen) ?? "unknown" };
  }
  for (const found of installed(name)) {
    if (isAtLeast(found.version, servers[name].versionMin)) return found;
  }
  return undefined;
}

/** Programs that are there and too old. */
export function findOutdated(name: ServerName): readonly FoundServer[] {
  return [...installed(name)].filter(
    ({ version }) => !isAtLeast(version, servers[name].versionMin),
  );
}

function* installed(name: ServerName): Generator<FoundServer> {
  const places = [...pathDirectories(), ...goDirectories(), installedIn];
  for (const path of findBinaries(servers[name].program, places)) {
    const version = versionOf(path);
    if (version !== undefined) yield { path, version };
  }
}

/** As both servers print it: "nats-server: v2.15.2", "Redis server v=8.0.6 sha=...". */
export function versionOf(path: string): string | undefined {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8", timeout: 10_000 });
  return /\bv=?(\d+\.\d+\.\d+)/.exec(stdout ?? "")?.[1];
}

export function isAtLeast(version: string, minimum: string): boolean {
  return version.localeCompare(minimum, "en", { numeric: true }) >= 0;
}

function goDirectories(): readonly string[] {
  const { GOBIN, GOPATH } = process.env;
  return [GOBIN, join(GOPATH ?? join(homedir(), "go"), "bin")].filter((path) => path !== undefined);
}
