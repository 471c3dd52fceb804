/** A directory with an owner that does nothing else, and processes over it; all end together. */
import { join, type Network } from "../../src/index.ts";
import { temporaryDirectory } from "../harness/directory.ts";
import { type BenchProcess, startProcess } from "../harness/process.ts";

export interface Fabric {
  readonly directory: string;
  readonly owner: BenchProcess;
  readonly net: Network;
  /** A process of a module beside `curves`, which gets the directory as its first argument. */
  start(module: URL, ...args: readonly string[]): Promise<BenchProcess>;
  /** Resident memory of the owner. */
  memoryMiB(): Promise<number>;
  close(): Promise<void>;
}

export async function openFabric(): Promise<Fabric> {
  const directory = temporaryDirectory();
  const processes: BenchProcess[] = [];
  const start = async (module: URL, ...args: readonly string[]): Promise<BenchProcess> => {
    const process = await startProcess(module, [directory.path, ...args]);
    processes.push(process);
    return process;
  };
  const owner = await start(new URL("../subjects/colloquy-owner.ts", import.meta.url));
  const net = await join(`embedded:${directory.path}`);
  return {
    directory: directory.path,
    owner,
    net,
    start,
    memoryMiB: async () => Number(await owner.ask(undefined)) / 2 ** 20,
    close: async () => {
      await net.close();
      for (const process of processes.reverse()) await process.stop();
      directory.remove();
    },
  };
}
