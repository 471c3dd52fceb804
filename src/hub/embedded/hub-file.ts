/** `hub.json` in the data directory: where the owner's hub listens. A hint; the lock decides who owns. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

export interface HubFile {
  /** Of the hub; see `Welcome`. */
  readonly hub: string;
  readonly socket: string;
  /** Of the owner, for people. */
  readonly process: number;
}

/** Replaces the file whole, so that a reader never sees half of one. */
export function writeHubFile(file: string, content: HubFile): void {
  const draft = `${file}.${content.process}.draft`;
  writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/** @returns undefined when there is none, or none that can be read. */
export function readHubFile(file: string): HubFile | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(file, "utf8"));
    return isHubFile(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

export function removeHubFile(file: string): void {
  rmSync(file, { force: true });
}

function isHubFile(content: unknown): content is HubFile {
  if (typeof content !== "object" || content === null) return false;
  const { hub, socket, process } = content as Partial<HubFile>;
  return typeof hub === "string" && typeof socket === "string" && typeof process === "number";
}
