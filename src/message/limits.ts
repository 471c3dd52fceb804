/**
 * Every limit of a message. What is larger is refused where it enters and where it arrives, with the
 * field and the limit in the error; nothing is cut short. `header` below is a frame's binary header,
 * `headers` the string pairs of an envelope.
 */

/** Payload bytes of one message, as sent and again after decompression: 1 MiB. */
export const payloadBytesMax: number = 2 ** 20;

/** Header bytes of one frame: 64 KiB. Also binds recipients, path and headers taken together. */
export const headerBytesMax: number = 2 ** 16;

/** Bytes before the header of every frame. */
export const frameHeadBytes = 12;

/** Bytes of one whole message frame. */
export const messageFrameBytesMax: number = frameHeadBytes + headerBytesMax + payloadBytesMax;

/** Payload bytes of a frame that carries message frames: the largest one, or a run of smaller ones. */
export const operationPayloadBytesMax: number = messageFrameBytesMax;

/** Characters of an id: of an agent, a type, a capability, a message, a conversation, a space. */
export const idCharactersMax = 128;

/** UTF-8 bytes of a message name, an order key, the name of a header. */
export const nameBytesMax = 255;

/** Addresses in `to`. */
export const recipientsMax = 1_024;

/** Agents in `path`. */
export const pathMax = 64;

/** String pairs in `headers`. */
export const headersMax = 64;

/** UTF-8 bytes of all names and values of `headers` together: 16 KiB. */
export const headersBytesMax: number = 2 ** 14;

/** Characters of a topic or a pattern. */
export const topicCharactersMax = 255;

/** Tokens of a topic or a pattern. */
export const topicTokensMax = 32;

/** Message frames in one batch. */
export const batchMessagesMax = 1_000;

/** Objects and arrays around a value of a payload; the payload itself has depth 0. */
export const payloadDepthMax = 64;

/** Values in one payload: properties and elements, at every depth. */
export const payloadValuesMax: number = 2 ** 20;

/** Byte arrays inside one payload. */
export const payloadByteArraysMax = 1_024;

/** Payload bytes from which compression is tried, unless configured otherwise: 8 KiB. */
export const compressionBytesMin: number = 2 ** 13;
