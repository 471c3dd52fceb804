/** Bytes of one message, either way. A larger one ends the link with code 1009. */
export const webSocketMessageBytesMax: number = 64 * 1024;
