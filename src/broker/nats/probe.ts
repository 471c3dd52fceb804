/** What the server can do and how it is set: for the claim of durability, and as a list of checks for people. */
import { ColloquyError } from "../../errors.ts";
import { messageFrameBytesMax } from "../../message/limits.ts";
import type { Durability, DurabilityClaim } from "../broker.ts";
import type { ProbeCheck } from "../probe.ts";
import type { NatsServerInfo } from "./client.ts";
import type { StreamInfos } from "./streams.ts";

/** Whether servers flush every write to the disk, as far as it could be read. */
export interface SyncFacts {
  /** True when all servers that keep the streams do, false when one does not, undefined when not all were heard. */
  readonly always: boolean | undefined;
  /** Where it was read, for people: "own account", "monitoring port", "system account", or why it was not. */
  readonly source: string;
}

/** Everything that the claims are made of. */
export interface ProbeFacts {
  readonly server: NatsServerInfo;
  readonly streams: StreamInfos;
  readonly sync: SyncFacts;
}

/** Of the 2.12 line, and of 2.14 and all later ones. */
const leastVersions = { "2.12": [2, 12, 12], later: [2, 14, 3] } as const;
const versionsWanted = "2.14.3 or newer, or 2.12.12 of the 2.12 line";

/** Bytes of a message that its headers may take. */
export const headerBytesReserved: number = 2 ** 14;
/** What a server should let pass: the longest frame, and headers. */
const payloadBytesWanted = messageFrameBytesMax + headerBytesReserved;
/** Below this no sensible message passes. */
const payloadBytesMin = 4 * headerBytesReserved;

/**
 * Refuses a server that this broker cannot keep its promises on.
 *
 * @throws INVALID_VERSION naming the versions that will do; UNSUPPORTED naming the setting.
 */
export function assertServer(server: NatsServerInfo | undefined): NatsServerInfo {
  if (server === undefined) {
    throw new ColloquyError("AGENT_UNREACHABLE", "nats: the server has not said what it is");
  }
  const failed = serverChecks(server).find(({ ok }) => ok === false);
  if (failed === undefined) return server;
  const { name, found, wanted, fix } = failed;
  const code = name === "version" ? "INVALID_VERSION" : "UNSUPPORTED";
  throw new ColloquyError(code, `nats: ${name}: ${found}; wanted: ${wanted}. ${fix}`, {
    details: { field: name, found, wanted, fix },
  });
}

/** Checks that need nothing but the server's greeting. */
function serverChecks(server: NatsServerInfo): readonly ProbeCheck[] {
  return [
    check(
      "version",
      isSupported(server.version),
      server.version,
      versionsWanted,
      "Install a newer nats-server: https://github.com/nats-io/nats-server/releases",
    ),
    check(
      "jetstream",
      server.jetstream === true && server.headers === true,
      server.jetstream === true ? "enabled" : "disabled",
      "enabled",
      "Put `jetstream { store_dir: /var/lib/nats, sync_interval: always }` into the server's configuration, or start it with -js.",
    ),
    check(
      "max_payload",
      server.max_payload >= payloadBytesMin,
      `${server.max_payload} bytes`,
      `at least ${payloadBytesMin}, better ${payloadBytesWanted}`,
      "Put `max_payload: 8MB` into the server's configuration.",
    ),
  ];
}

/** What `colloquy doctor` prints. */
export function probeChecks({ server, streams, sync }: ProbeFacts): readonly ProbeCheck[] {
  const { num_replicas: replicas } = streams.state.config;
  return [
    ...serverChecks(server),
    check(
      "longest frame",
      server.max_payload >= payloadBytesWanted,
      `${frameBytesMax(server)} bytes`,
      `${messageFrameBytesMax} bytes, as with every other broker`,
      "Put `max_payload: 8MB` into the server's configuration.",
    ),
    check(
      "sync_interval",
      sync.always,
      sync.always === undefined
        ? `could not be read: ${sync.source}`
        : `${sync.always ? "always" : "not always"} (${sync.source})`,
      "always",
      sync.always === false
        ? "Put `sync_interval: always` into the block `jetstream` of every server: acknowledged work is lost in a power cut without it."
        : 'Let this broker read it: let its account import the service "$SYS.REQ.SERVER.PING.JSZ" of the system account, or give it `system: { monitor: "http://HOST:8222" }`, or credentials of the system account.',
    ),
    check(
      "replicas",
      replicas >= 3,
      `${replicas}`,
      "3, to survive the loss of a server",
      server.cluster === undefined
        ? "Run three servers as a cluster; one alone is fine where its loss may stop everything."
        : "Open the broker with `replicas: 3`, over a new prefix or after `nats stream edit --replicas 3`.",
    ),
  ];
}

/** Longest frame that fits beside its headers; never longer than with other brokers. */
export function frameBytesMax(server: NatsServerInfo): number {
  return Math.min(messageFrameBytesMax, server.max_payload - headerBytesReserved);
}

/** What is certain, and what it is derived from. */
export function durabilityOf({ server, streams, sync }: ProbeFacts): DurabilityClaim {
  const { num_replicas: replicas, storage, retention } = streams.state.config;
  const { duplicate_window: duplicateWindow } = streams.work.config;
  const isReplicated = replicas >= 3;
  const level: Durability =
    sync.always === true
      ? isReplicated
        ? "replicated+fsync"
        : "os"
      : isReplicated
        ? "replicated"
        : "process";
  return {
    level,
    verified: sync.always !== undefined,
    evidence: {
      server: `nats-server ${server.version}`,
      apiLevel: server.api_lvl ?? 0,
      replicas,
      storage,
      retention,
      sync_interval:
        sync.always === undefined
          ? `unknown: ${sync.source}`
          : sync.always
            ? "always"
            : "not always",
      duplicateWindowMs: duplicateWindow / 1_000_000,
      max_payload: server.max_payload,
    },
  };
}

function isSupported(version: string): boolean {
  const parts = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  if (parts === undefined) return false;
  const isOfLine = parts[0] === 2 && parts[1] === 12;
  return notBelow(parts, isOfLine ? leastVersions["2.12"] : leastVersions.later);
}

function notBelow(parts: readonly number[], least: readonly number[]): boolean {
  const index = parts.findIndex((part, at) => part !== least[at]);
  return index === -1 || (parts[index] as number) > (least[index] as number);
}

function check(
  name: string,
  ok: boolean | undefined,
  found: string,
  wanted: string,
  fix: string,
): ProbeCheck {
  return { name, ok, found, wanted, fix: ok === true ? "" : fix };
}
