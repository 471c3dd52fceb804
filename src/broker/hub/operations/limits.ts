/** What a hub and its clients let each other send. */
import type { FrameLimits } from "../../../message/frame.ts";
import { headerBytesMax } from "../../../message/limits.ts";

/** Payload of one frame between a client and its hub: many entries at once, or a large settlement. */
export const operationBytesMax: number = 16 * 2 ** 20;

/** Parameters or value of one call. */
export const callBytesMax: number = operationBytesMax;

export const sessionLimits: FrameLimits = { headerBytesMax, payloadBytesMax: operationBytesMax };

/** Before a session has said who it is. */
export const strangerLimits: FrameLimits = { headerBytesMax: 16 * 1024, payloadBytesMax: 1024 };
