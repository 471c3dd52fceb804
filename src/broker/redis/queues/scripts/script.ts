/** Every script of the queues: the shared prelude, then one body. */
import { onceScript, type RedisScript, readScript } from "../../script.ts";
import { life } from "./life.ts";
import { notices } from "./notices.ts";
import { places } from "./places.ts";

/** The server looks whether it is full only until a script has written: so it writes nothing first. */
const whenFull = "call('HDEL', base .. 'count', 'none')\n";

const prelude = `${places}${notices}${life}`;

/** Runs once for each call. The first parameter of its own is ARGV[3]. It may write when the server is full: it ends work. */
export function endingScript(name: string, body: string): RedisScript {
  return onceScript(name, prelude + whenFull + body, { whenFull: true });
}

/** Runs once for each call. The first parameter of its own is ARGV[3]. */
export function queueScript(name: string, body: string): RedisScript {
  return onceScript(name, prelude + body);
}

/** May be run twice, and write when the server is full. The first parameter is ARGV[1]. */
export function repeatableScript(name: string, body: string): RedisScript {
  return readScript(name, prelude + whenFull + body);
}

/** Only looks. The first parameter is ARGV[1]. */
export function lookingScript(name: string, body: string): RedisScript {
  return readScript(name, prelude + body);
}
