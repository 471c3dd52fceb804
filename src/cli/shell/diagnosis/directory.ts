/** The directory of a store: its disk, who has it, and what is in it. Nothing is changed. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Durability } from "../../../broker/broker.ts";
import { fileSystemOf } from "../../../broker/embedded/durability.ts";
import { reserveOf } from "../../../broker/embedded/room.ts";
import { storeFilesIn } from "../../../broker/embedded/store-files.ts";
import { isColloquyError } from "../../../errors.ts";
import { readHubFile } from "../../../hub/embedded/hub-file.ts";
import { exportStore } from "../../../network/export-store.ts";
import { isProcessDead } from "../../../runtime/process.ts";
import { durabilityFinding } from "./durability.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

const mebibyte = 2 ** 20;

export function checkDisk(directory: string): readonly Finding[] {
  if (!existsSync(directory)) {
    return [
      warn("directory", `${directory} is not there`, "it is made by the first program that joins"),
    ];
  }
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    const remedy = `give this user the directory: chown -R "$(id -un)" ${directory}`;
    return [fail("directory", `${directory} cannot be written by this user`, remedy)];
  }
  const mode = statSync(directory).mode & 0o777;
  const open = (mode & 0o077) !== 0 && process.platform !== "win32";
  return [
    open
      ? warn(
          "directory",
          `${directory} can be entered by others, mode 0${mode.toString(8)}`,
          `if they should not read what is in it: chmod 700 ${directory}`,
        )
      : ok("directory", directory),
    space(directory),
  ];
}

function space(directory: string): Finding {
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  const reserve = reserveOf(directory);
  const found = `${Math.floor(free / mebibyte)} MiB free, ${Math.ceil(reserve / mebibyte)} MiB of them in reserve`;
  if (free < reserve) {
    const remedy = "make room: nothing new is taken in until the reserve is free again";
    return fail("disk", found, remedy);
  }
  return free < 2 * reserve ? warn("disk", found, "make room soon") : ok("disk", found);
}

export interface OwnerFindings {
  readonly findings: readonly Finding[];
  /** Where the hub listens; undefined where nobody has the store open. */
  readonly url?: string;
}

/** Who is known to have the store open. */
export function checkOwner(directory: string): OwnerFindings {
  const hub = readHubFile(join(directory, "hub.json"));
  if (hub === undefined) return { findings: [ok("owner", "nobody has the store open")] };
  const { process: id, socket } = hub;
  if (isProcessDead(id)) {
    const found = `process ${id} had it, and was killed`;
    return {
      findings: [warn("owner", found, "nothing: the next program that joins takes over")],
    };
  }
  if (existsSync(socket)) {
    return { findings: [ok("owner", `process ${id}`)], url: `unix:${socket}` };
  }
  const remedy = `end process ${id}: another takes over, and listens at a socket of its own`;
  return { findings: [fail("owner", `process ${id}, whose socket ${socket} is gone`, remedy)] };
}

/** What a store in `directory` will survive, when somebody opens it. */
export function checkSurvival(directory: string, wanted: Durability): Finding {
  let place = resolve(directory);
  while (!existsSync(place) && place !== dirname(place)) place = dirname(place);
  const fileSystem = fileSystemOf(place);
  const level = fileSystem === "local" ? "os" : "process";
  const remedy =
    level === "os"
      ? "one machine cannot outlive itself: take a cluster, see docs/brokers.md"
      : "keep the store on a disk of this machine that is flushed";
  const claim = { level, verified: fileSystem !== "unknown", evidence: { fileSystem } } as const;
  return durabilityFinding(claim, { wanted, remedy });
}

/** Reads every record of a store that nobody has open, and compares it with its checksum. */
export function checkStore(directory: string): readonly Finding[] {
  if (!existsSync(storeFilesIn(directory).database)) {
    return [warn("store", "there is none", "it is made by the first program that joins")];
  }
  const rescue = `write what is healthy elsewhere: colloquy export ${directory} --out rescued.jsonl`;
  try {
    const records = exportStore(directory);
    for (let next = records.next(); ; next = records.next()) {
      if (next.done !== true) continue;
      const { messages, deadLetters, entries, logEntries, damages } = next.value;
      const found = `${messages} messages, ${deadLetters} dead letters, ${entries} entries, ${logEntries} log entries`;
      if (damages.length === 0) return [ok("store", `${found}, all healthy`)];
      return [fail("store", `${found}; ${damages.length} places are damaged`, rescue)];
    }
  } catch (error) {
    if (isColloquyError(error, "CONFLICT")) {
      return [warn("store", "somebody has it open just now", "look again")];
    }
    const why = error instanceof Error ? error.message : String(error);
    return [fail("store", why, rescue)];
  }
}
