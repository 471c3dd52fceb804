/**
 * The package's subpath "colloquy/browser": the same public names as "colloquy", for pages and their
 * workers. Nothing that it reaches imports a module of Node.
 */
import { useDecompressor } from "../message/compression.ts";
import { decompress } from "./decompress.ts";

useDecompressor(decompress);

export { Agent } from "../agent/agent.ts";
export { command, event, protocol, request, stream } from "../agent/protocol.ts";
export { ColloquyError, isColloquyError } from "../errors.ts";
export type * from "../index.ts";
export { type BrowserJoinOptions, type BrowserJoinOptions as JoinOptions, join } from "./join.ts";
