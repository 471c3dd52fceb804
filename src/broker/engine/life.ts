/** How far messages in somebody's hands have come, and what that means for their holders. */
import { ColloquyError } from "../../errors.ts";
import type { CancelOutcome, MessageState } from "../broker.ts";
import { assertLegal, type LiveState } from "../life-cycle.ts";
import type { Slot } from "./slot.ts";
import { Story } from "./story.ts";

export function storyOf(slot: Slot): Story {
  slot.story ??= new Story();
  return slot.story;
}

/** A message that waits for input takes up no credit of its holder. */
export function enter(slot: Slot, phase: "started" | "waiting-input"): void {
  const story = storyOf(slot);
  if (story.phase === phase) return;
  if (story.phase === "waiting-input") slot.holder?.takeUp();
  if (phase === "waiting-input") slot.holder?.letGo();
  story.phase = phase;
}

/** Its holder has one message less. */
export function letGo(slot: Slot): void {
  if (slot.story?.phase !== "waiting-input") slot.holder?.letGo();
  slot.holder = undefined;
}

/** Tells those who wanted the message back what has become of that. */
export function endWithdrawals(slot: Slot, outcome: CancelOutcome): void {
  for (const { tell } of slot.story?.withdrawals.splice(0) ?? []) tell(outcome);
}

/** @throws INTERNAL_ERROR when the message cannot become that. */
export function assertMove(slot: Slot, to: MessageState["state"]): void {
  if (slot.state !== "final" && to !== "unknown") return assertLegal(lifeOf(slot), to);
  const message = `the message at ${slot.position} cannot become ${to}: it is final`;
  throw new ColloquyError("INTERNAL_ERROR", message, { details: { position: slot.position, to } });
}

/** How far the message has come, as far as it is known here. */
export function lifeOf(slot: Slot): LiveState {
  if (slot.state !== "held") return "queued";
  return slot.story?.phase ?? "offered";
}
