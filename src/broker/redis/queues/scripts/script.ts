/** Every script of the queues begins by forgetting what the call before it knew of them (parts.ts). */
import { onceScript, type RedisScript, readScript, repeatableScript } from "../../script.ts";

const begin = "beginQueues()\n";

/** Runs once for each call. The first parameter of its own is ARGV[3]. It may write when the server is full: it ends work. */
export function endingScript(name: string, body: string, before = ""): RedisScript {
  return onceScript(name, begin + body, { whenFull: true, before });
}

/** Runs once for each call. The first parameter of its own is ARGV[3]. */
export function queueScript(name: string, body: string): RedisScript {
  return onceScript(name, begin + body);
}

/** May be run twice, and write when the server is full. The first parameter is ARGV[1]. */
export function movingScript(name: string, body: string): RedisScript {
  return repeatableScript(name, begin + body);
}

/** Only looks. The first parameter is ARGV[1]. */
export function lookingScript(name: string, body: string): RedisScript {
  return readScript(name, begin + body);
}
