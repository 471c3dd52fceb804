/** Servers in containers, by the services of compose.yaml, where a container engine runs. */
import { fileURLToPath } from "node:url";
import { output, run, type Say } from "./run.ts";
import type { ServerName } from "./servers.ts";

const file = fileURLToPath(new URL("../../compose.yaml", import.meta.url));
const compose = ["docker", "compose", "-f", file] as const;

export async function hasEngine(): Promise<boolean> {
  try {
    await run(["docker", "info"]);
    await run([...compose, "version"]);
    return true;
  } catch {
    return false;
  }
}

/** Resolves once it takes work, as its health check says. */
export function startContainer(name: ServerName, say: Say): Promise<void> {
  return run([...compose, "up", "--detach", "--wait", name], { say });
}

/** Its volume stays. */
export function stopContainer(name: ServerName): Promise<void> {
  return run([...compose, "rm", "--stop", "--force", name]);
}

export async function isContainerUp(name: ServerName): Promise<boolean> {
  const ids = await output([...compose, "ps", "--quiet", "--status", "running", name]).catch(
    () => "",
  );
  return ids.trim() !== "";
}
