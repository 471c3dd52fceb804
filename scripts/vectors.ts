/**
 * Writes clients/vectors.json: bytes and what they mean, for tests of clients in any language.
 *
 *   node --conditions=@colloquy/source --disable-warning=ExperimentalWarning scripts/vectors.ts
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { vectorsFile } from "./vectors/document.ts";

const directory = new URL("../clients/", import.meta.url);
mkdirSync(directory, { recursive: true });
writeFileSync(new URL("vectors.json", directory), await vectorsFile());
