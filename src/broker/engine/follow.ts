/** Those who follow a message are told every change, and its holder is told what it has to know. */
import { ColloquyError, errorInfo } from "../../errors.ts";
import type { Claim, MessageState, Notice } from "../broker.ts";
import type { Core } from "./core.ts";
import { storyOf } from "./life.ts";
import { answersIn } from "./questions.ts";
import type { Queue } from "./queue.ts";
import type { Slot } from "./slot.ts";
import { liveState } from "./state.ts";
import { Tracker } from "./tracker.ts";

/** How long the holder of a message may take to say whether it has started it, until "offered" stands. */
const reportMs = 250;

export function trackerOf(queue: Queue): Tracker {
  queue.tracker ??= new Tracker(queue.next);
  return queue.tracker;
}

/** Whether there is nobody to ask how far the message has come. */
export function isKnown(queue: Queue, position: number): boolean {
  const slot = queue.active?.held.get(position);
  if (slot?.state !== "held" || slot.holder?.hearsNotices !== true) return true;
  return slot.story !== undefined && (slot.story.followed || slot.story.phase !== undefined);
}

/** Tells `tell` the state now, once that is known, and every change while the message is not final. @returns ends it. */
export function follow(
  core: Core,
  queue: Queue,
  position: number,
  tell: (state: MessageState) => void,
): () => void {
  const tracker = trackerOf(queue);
  if (isKnown(queue, position)) {
    tell(liveState(core, queue, position));
    return tracker.follow(position, tell);
  }
  const timer = core.clock.setTimer(reportMs, () => tell(liveState(core, queue, position)));
  const forget = tracker.follow(position, (state) => {
    timer.cancel();
    tell(state);
  });
  const slot = queue.active?.held.get(position) as Slot;
  storyOf(slot).followed = true;
  slot.holder?.notify({ kind: "follow", claim: claimOf(queue, slot) });
  return () => {
    timer.cancel();
    forget();
  };
}

/** Something has become of the message that is not its end. */
export function tellFollowers(core: Core, queue: Queue, position: number): void {
  const { tracker } = queue;
  if (tracker?.follows(position) !== true) return;
  tracker.tell(position, liveState(core, queue, position));
}

/** Whether offers of the queue may concern anybody but their receivers. */
export function isObserved(core: Core, queue: Queue): boolean {
  return queue.tracker?.following === true || core.questions.any(queue.number);
}

/** The message is in its holder's hands, newly or again. */
export function brief(core: Core, queue: Queue, slot: Slot): void {
  const { holder, position } = slot;
  if (holder?.hearsNotices === true) {
    const claim = claimOf(queue, slot);
    for (const answer of answersIn(core.questions.of(queue.number, position) ?? [])) {
      holder.notify({ kind: "input", claim, answer });
    }
    if ((slot.story?.withdrawals.length ?? 0) > 0) holder.notify({ kind: "withdraw", claim });
    if (queue.tracker?.follows(position) === true) {
      storyOf(slot).followed = true;
      holder.notify({ kind: "follow", claim });
    }
  }
  tellFollowers(core, queue, position);
}

export function claimOf(queue: Queue, { position, fence }: Slot): Claim {
  return { queue: queue.name, position, fence };
}

/** What a receiver is told that claims a message which is not its own any more. */
export function notYours(claim: Claim): Notice {
  const error = new ColloquyError("STALE_ATTEMPT", "the message is final, or a later attempt's");
  return { kind: "cancel", claim, reason: errorInfo(error) };
}
