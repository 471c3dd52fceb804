/** What the scripts of queues share, in this order, and which they are. */
import type { RedisScript } from "../../script.ts";
import { answerScript } from "./answer.ts";
import { cancelScript } from "./cancel.ts";
import { purgeScript, replayScript } from "./dead.ts";
import { enqueueScript } from "./enqueue.ts";
import { holdScript } from "./hold.ts";
import { intake } from "./intake.ts";
import { beatScript, leaveLastScript, leaveScript, leaving } from "./leave.ts";
import { life } from "./life.ts";
import { declareScript, mailboxesScript, removeScript } from "./mailboxes.ts";
import { notices } from "./notices.ts";
import { offers } from "./offers.ts";
import { places } from "./places.ts";
import { reportScript } from "./report.ts";
import { returns } from "./returns.ts";
import { settleScript } from "./settle.ts";
import { takeScript } from "./take.ts";
import { browseScript, trackScript, unfollowScript } from "./track.ts";

const begin = `
local function beginQueues()
  base = root .. 'q:'
  queues, dones, lives, sender, buried = {}, {}, {}, nil, 0
end
`;

export const queueParts: readonly string[] = [
  ...[places, notices, life, returns, intake, offers, leaving, begin],
];

export const queueScripts: readonly RedisScript[] = [
  ...[declareScript, removeScript, mailboxesScript, enqueueScript, takeScript, holdScript],
  ...[leaveScript, leaveLastScript, beatScript, settleScript, reportScript, cancelScript],
  ...[answerScript, trackScript, unfollowScript, browseScript, replayScript, purgeScript],
];
