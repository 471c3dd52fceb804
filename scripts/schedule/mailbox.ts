/** Where all timers go. */
export const mailbox = "type:worker";
