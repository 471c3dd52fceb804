/**
 * Effects of a settlement. They are checked one after the other before the first of them is made, each
 * as if those before it had been made; then none of them can fail.
 */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../errors.ts";
import { assertTopic } from "../../message/topic.ts";
import type { Effect } from "../broker.ts";
import type { Core } from "./core.ts";
import type { Group } from "./group.ts";
import { problemOf, store, tooLarge, undeclared } from "./intake.ts";
import type { Session } from "./session.ts";

/** Why the effects cannot be had; undefined when they can. */
export function obstacleToEffects(
  core: Core,
  group: Group,
  effects: readonly Effect[],
): ErrorInfo | undefined {
  /** Revisions and ends of streams as the effects looked at so far would leave them. */
  const revisions = new Map<string, number>();
  const nexts = new Map<string, number>();
  let revision = core.counters.get("revision");
  for (const effect of effects) {
    const problem = problemOfEffect(core, effect);
    if (problem !== undefined) return problem;
    if (effect.kind === "put") {
      const { key, ifRevision } = effect;
      const present = revisions.get(key) ?? core.entries.revisionOf(key, group.nowMs);
      if (ifRevision !== undefined && ifRevision !== present) return conflict("key", key, present);
      revision++;
      revisions.set(key, effect.value === undefined ? 0 : revision);
    } else if (effect.kind === "append") {
      const { stream, at, entries } = effect;
      const next = nexts.get(stream) ?? core.streams.nextOf(stream);
      if (at !== undefined && at !== next) return conflict("stream", stream, next);
      nexts.set(stream, next + entries.length);
    }
  }
  return undefined;
}

/** Makes the effects, which `obstacleToEffects` has found possible. */
export function applyEffects(session: Session, group: Group, effects: readonly Effect[]): void {
  const { core } = session;
  const { directory, changes, entries, streams, topics } = core;
  for (const effect of effects) {
    switch (effect.kind) {
      case "enqueue": {
        const queue = directory.declared(effect.queue);
        if (queue !== undefined) store(core, group, changes.of(queue, group), effect.message);
        break;
      }
      case "publish":
        group.afterwards(() => topics.publish([effect], session));
        break;
      case "put":
        entries.write(group, effect);
        break;
      case "append":
        streams.append(group, effect.stream, effect.entries);
        break;
    }
  }
}

function problemOfEffect(core: Core, effect: Effect): ErrorInfo | undefined {
  const { directory, limits } = core;
  switch (effect.kind) {
    case "enqueue": {
      const queue = directory.declared(effect.queue);
      if (queue === undefined) return undeclared(effect.queue);
      const problem = problemOf(core, queue, effect.message);
      return problem === undefined ? undefined : errorInfo(problem);
    }
    case "publish":
      return topicError(effect.topic) ?? oversize("frame", effect.frame, limits.frameBytesMax);
    case "put":
      return core.entries.problemOf(effect);
    case "append":
      for (const entry of effect.entries) {
        const problem = oversize("entry", entry, limits.frameBytesMax);
        if (problem !== undefined) return problem;
      }
      return undefined;
  }
}

function topicError(topic: string): ErrorInfo | undefined {
  try {
    assertTopic(topic, "internal");
    return undefined;
  } catch (error) {
    return errorInfo(error as ColloquyError);
  }
}

function oversize(field: string, bytes: Uint8Array, limit: number): ErrorInfo | undefined {
  return bytes.length > limit ? errorInfo(tooLarge(field, bytes.length, limit)) : undefined;
}

function conflict(field: string, name: string, present: number): ErrorInfo {
  return errorInfo(
    new ColloquyError("CONFLICT", `${field} "${name}" is at ${present}`, {
      details: { field, name, present },
    }),
  );
}
