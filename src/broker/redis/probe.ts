/**
 * How the server is set: for the claim of durability, and as a checklist for people. What a server
 * does not tell is not taken for granted; versions are not gone by, because forks have their own.
 */
import { ColloquyError } from "../../errors.ts";
import type { Durability, DurabilityClaim } from "../broker.ts";
import type { ProbeCheck } from "../probe.ts";
import type { RedisReply } from "./client.ts";
import type { LinkPart, RedisConnection } from "./connection.ts";
import { isReply, replyCode } from "./errors.ts";
import type { RedisLink } from "./link.ts";

/** What was found out; undefined is what the server did not tell. */
export interface ServerFacts {
  /** "redis", or what a fork calls itself. */
  readonly name: string;
  readonly version: string | undefined;
  /** Names one run of the server, from its start to its end. */
  readonly run: string | undefined;
  readonly role: string | undefined;
  readonly isCluster: boolean | undefined;
  /** By the names of redis.conf. */
  readonly settings: Readonly<Record<Setting, string | undefined>>;
  /** What became of the last write to the append-only file. */
  readonly lastWrite: string | undefined;
  readonly hasWaitaof: boolean | undefined;
  /** Why it does not have the library of scripts. */
  readonly withoutLibrary: string | undefined;
}

type Setting = keyof typeof wantedSettings;

const wantedSettings = {
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
  "maxmemory-policy": "noeviction",
} as const;

const settingNames = Object.keys(wantedSettings) as readonly Setting[];

const whyWanted: Readonly<Record<Setting, string>> = {
  appendonly: "without it all is lost when the server ends",
  appendfsync: "otherwise a power cut takes what was acknowledged last",
  "no-appendfsync-on-rewrite": "otherwise nothing is flushed while the file is written anew",
  "maxmemory-policy": "otherwise a full server forgets what was acknowledged",
};

/** @throws what is no answer: the link was lost. */
export async function askServer(link: RedisLink): Promise<ServerFacts> {
  const [info, waitaof, ...settings] = await Promise.all([
    answerOf(link, ["INFO"]),
    answerOf(link, ["COMMAND", "INFO", "WAITAOF"]),
    ...settingNames.map((name) => answerOf(link, ["CONFIG", "GET", name])),
  ]);
  const told = info === undefined ? new Map<string, string>() : parseInfo(String(info));
  const configured = new Map(settingNames.map((name, at) => [name, settingOf(settings[at], name)]));
  // The two that INFO tells as well, where CONFIG is not to be had.
  const appends = { "0": "no", "1": "yes" }[told.get("aof_enabled") ?? ""];
  return {
    name: told.has("valkey_version") ? "valkey" : "redis",
    version: told.get("valkey_version") ?? told.get("redis_version"),
    run: told.get("run_id"),
    role: told.get("role"),
    isCluster: yesOrNo(told.get("cluster_enabled")),
    settings: {
      appendonly: configured.get("appendonly") ?? appends,
      appendfsync: configured.get("appendfsync"),
      "no-appendfsync-on-rewrite": configured.get("no-appendfsync-on-rewrite"),
      "maxmemory-policy": configured.get("maxmemory-policy") ?? told.get("maxmemory_policy"),
    },
    lastWrite: told.get("aof_last_write_status"),
    hasWaitaof: Array.isArray(waitaof) ? Array.isArray(waitaof[0]) : undefined,
    withoutLibrary: link.withoutLibrary?.message,
  };
}

/** Asks again whenever a link begins: it may be another server, or the same set otherwise. */
export class Probe implements LinkPart {
  #facts: ServerFacts | undefined;

  constructor(connection: RedisConnection) {
    connection.add(this);
  }

  /** Of the last link that began. */
  get facts(): ServerFacts {
    if (this.#facts === undefined) throw new ColloquyError("INTERNAL_ERROR", "no link yet");
    return this.#facts;
  }

  get claim(): DurabilityClaim {
    return claimOf(this.facts);
  }

  get checks(): readonly ProbeCheck[] {
    return checksOf(this.facts);
  }

  async begin(link: RedisLink): Promise<void> {
    const facts = await askServer(link);
    this.#facts = facts;
    // Where less is claimed there is less to wait for: a server that flushes when it likes takes its time.
    link.confirmsFlushes = this.claim.level === "os";
  }
}

/** What is certain of one server. Nothing is said of what a replica that takes its place has. */
export function claimOf(facts: ServerFacts): DurabilityClaim {
  const { settings, hasWaitaof, lastWrite } = facts;
  const kept = isWanted(facts, "appendonly") && isWanted(facts, "maxmemory-policy");
  const flushed =
    isWanted(facts, "appendfsync") &&
    isWanted(facts, "no-appendfsync-on-rewrite") &&
    lastWrite === "ok" &&
    hasWaitaof === true;
  const level: Durability = kept ? (flushed ? "os" : "process") : "none";
  const known = settingNames.every((name) => settings[name] !== undefined);
  return {
    level,
    verified: known && hasWaitaof !== undefined && lastWrite !== undefined,
    evidence: {
      server: `${facts.name} ${facts.version ?? "of unknown version"}`,
      ...Object.fromEntries(settingNames.map((name) => [name, settings[name] ?? "not told"])),
      "last write": lastWrite ?? "not told",
      WAITAOF: hasWaitaof ?? "not told",
      role: facts.role ?? "not told",
      cluster: facts.isCluster ?? "not told",
      failover: "not covered: a replica may lack what was acknowledged last",
      ...(level === "os" ? {} : { "not os, because of": missingFor(facts).join(", ") }),
    },
  };
}

/** What `colloquy doctor` prints. */
export function checksOf(facts: ServerFacts): readonly ProbeCheck[] {
  const { settings, hasWaitaof, lastWrite, role, version, isCluster, withoutLibrary } = facts;
  const untold = "let this user run CONFIG GET and INFO, or look it up where the server is managed";
  return [
    {
      name: "WAITAOF",
      ok: hasWaitaof,
      found: hasWaitaof === undefined ? "not told" : `${version ?? "?"}: ${yesNo(hasWaitaof)}`,
      wanted: "yes: only with it can the server confirm that a write is on its disk",
      fix: fixOf(hasWaitaof, "use Redis 7.2 or newer, or a fork that has it", untold),
    },
    ...settingNames.map((name): ProbeCheck => {
      const wanted = wantedSettings[name];
      const found = settings[name];
      const ok = found === undefined ? undefined : found === wanted;
      const fix = `write \`${name} ${wanted}\` into redis.conf, and for now: CONFIG SET ${name} ${wanted}`;
      return {
        name,
        ok,
        found: found ?? "not told",
        wanted: `${wanted}: ${whyWanted[name]}`,
        fix: fixOf(ok, fix, untold),
      };
    }),
    {
      name: "functions",
      ok: withoutLibrary === undefined,
      found: withoutLibrary ?? "loaded",
      wanted:
        "loaded: otherwise scripts go as texts, which takes the server up to 0.1 ms more for each call",
      fix:
        withoutLibrary === undefined
          ? ""
          : "let this user run FUNCTION LOAD, or run `colloquy doctor` once with each new version as a user who may; where it says OOM, raise maxmemory",
    },
    textCheck("last write", lastWrite, "ok", "make room on the server's disk, or mend it", untold),
    textCheck("role", role, "master", "connect to the master of this replica", untold),
    {
      name: "cluster",
      // All keys lie in one slot, so that one node of it can be used, which must not change.
      ok: isCluster === undefined ? undefined : !isCluster,
      found: isCluster === undefined ? "not told" : yesNo(isCluster),
      wanted: "no: of a cluster only the node that has the slot of the prefix can be used",
      fix: fixOf(
        isCluster === undefined ? undefined : !isCluster,
        "use a server of its own",
        untold,
      ),
    },
  ];
}

function isWanted({ settings }: ServerFacts, name: Setting): boolean {
  return settings[name] === wantedSettings[name];
}

/** Names of the checks that keep the claim below "os". */
function missingFor(facts: ServerFacts): readonly string[] {
  const needed = new Set<string>([...settingNames, "WAITAOF", "last write"]);
  return checksOf(facts)
    .filter(({ name, ok }) => needed.has(name) && ok !== true)
    .map(({ name, found }) => `${name} (${found})`);
}

function textCheck(
  name: string,
  found: string | undefined,
  wanted: string,
  fix: string,
  untold: string,
): ProbeCheck {
  const ok = found === undefined ? undefined : found === wanted;
  return { name, ok, found: found ?? "not told", wanted, fix: fixOf(ok, fix, untold) };
}

function fixOf(ok: boolean | undefined, fix: string, untold: string): string {
  return ok === undefined ? untold : ok ? "" : fix;
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

function yesOrNo(flag: string | undefined): boolean | undefined {
  return flag === undefined ? undefined : flag === "1";
}

/** Undefined where the server refuses to tell. */
async function answerOf(
  link: RedisLink,
  parts: readonly string[],
): Promise<RedisReply | undefined> {
  try {
    return await link.send(parts);
  } catch (cause) {
    if (isReply(cause) && replyCode((cause as Error).message) !== "LOADING") return undefined;
    throw cause;
  }
}

function parseInfo(info: string): ReadonlyMap<string, string> {
  const lines = info.split("\r\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1)];
    }),
  );
}

/** CONFIG GET answers with a map, which the client makes an object; empty for what it does not know. */
function settingOf(answer: unknown, name: string): string | undefined {
  if (answer instanceof Map) return textOf(answer.get(name));
  if (Array.isArray(answer)) return textOf(answer[1]);
  return typeof answer === "object" && answer !== null
    ? textOf((answer as Readonly<Record<string, unknown>>)[name])
    : undefined;
}

function textOf(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}
