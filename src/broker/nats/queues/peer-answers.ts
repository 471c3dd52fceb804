/** What this client answers to others that ask about its queues. */
import { forgetOldest } from "../forget-oldest.ts";
import { takeAnswer } from "./answer.ts";
import { askHolder, tellHolder } from "./cancel.ts";
import { notifyHolder, type QueueHub } from "./hub.ts";
import { endedErrors } from "./judge.ts";
import { peerState, stateOfPeer } from "./peer-state.ts";
import type { PeerAnswer, PeerQuestion } from "./peers.ts";
import { refresh } from "./report.ts";
import type { Tracks } from "./tracks.ts";

export async function answerPeer(
  hub: QueueHub,
  tracks: Tracks,
  question: PeerQuestion,
): Promise<PeerAnswer> {
  const local = hub.queues.get(question.queue);
  switch (question.op) {
    case "news":
      tracks.news(question.queue, question.position, stateOfPeer(question.state));
      return {};
    case "held": {
      const isHere = (position: number) => local?.find(position)?.stage !== undefined;
      return { positions: question.positions.filter(isHere) };
    }
    case "holding": {
      const items = [...(local?.items ?? [])].filter(({ isHeld }) => isHeld);
      return {
        positions: items.map(({ position }) => position),
        receivers: local?.receivers.size ?? 0,
      };
    }
    case "key":
      return { held: local?.holdsKey(question.name) ?? false };
    case "removed":
      for (const item of [...(local?.items ?? [])]) {
        await tellHolder(hub, item, endedErrors.removed);
      }
      return {};
    case "cancelled": {
      const item = local?.find(question.position);
      return { held: item !== undefined && (await tellHolder(hub, item, question.reason)) };
    }
    case "withdraw": {
      const item = local?.held(question.position);
      return item === undefined ? {} : { decision: await askHolder(item) };
    }
    case "input": {
      const item = local?.held(question.position);
      if (item === undefined) return { held: false };
      if (await refresh(hub, item)) {
        const data = Buffer.from(question.data, "base64");
        takeAnswer(hub, item, { number: question.number, data });
      }
      return { held: true };
    }
    case "state": {
      const { position, follower, look } = question;
      if (local !== undefined && follower !== undefined)
        follow(hub, position, follower, question.queue);
      const item = local?.held(position);
      if (item === undefined) return {};
      if (follower !== undefined && !item.hasReported) {
        notifyHolder(item, { kind: "follow", claim: item.claim });
      }
      const state = look ? await tracks.look(item) : item.state;
      return { state: peerState(state) };
    }
  }
}

/** Messages of one queue that are followed from elsewhere; the ends of others are known from their records. */
const followedMax = 10_000;

function follow(hub: QueueHub, position: number, follower: string, queue: string): void {
  const followers = hub.queues.get(queue)?.followers;
  if (followers === undefined) return;
  const present = followers.get(position);
  if (present !== undefined) {
    present.add(follower);
    return;
  }
  followers.set(position, new Set([follower]));
  forgetOldest(followers, followedMax);
}

/** Tells those of other clients who follow the message. */
export function tellFollowers(hub: QueueHub, queue: string, position: number): void {
  const local = hub.queues.get(queue);
  const followers = local?.followers.get(position);
  if (local === undefined || followers === undefined) return;
  const item = local.held(position);
  if (item === undefined) return;
  const state = peerState(item.state);
  for (const follower of followers) {
    hub.peers.tell(follower, { op: "news", queue, position, state });
  }
}
