/**
 * The status codes of close frames: RFC 6455 section 7.4 and the IANA registry that it opens.
 */

/** Codes by name. Those marked "never sent" stand for the absence of a close frame or of a code in it. */
export const CLOSE_CODE = {
  /** The purpose of the connection is fulfilled. */
  normal: 1000,
  /** An endpoint goes away: the server stops, the process ends. */
  goingAway: 1001,
  /** A frame broke the protocol. */
  protocolError: 1002,
  /** Never sent: the close frame carried no code. */
  noStatus: 1005,
  /** Never sent: the connection ended without a close frame. */
  abnormal: 1006,
  /** A text message or a close reason was not UTF-8. */
  invalidPayload: 1007,
  /** A message broke a rule of the endpoint; here: it came in too many fragments. */
  policyViolation: 1008,
  /** A message was longer than the endpoint takes. */
  tooLarge: 1009,
  /** The server met a condition that it did not expect. */
  internalError: 1011,
  /** The server is overloaded; come back later (IANA registry). */
  tryAgainLater: 1013,
} as const;

/**
 * Whether a peer may put `code` into a close frame (RFC 6455 sections 7.4.1 and 7.4.2): the registered ones that may
 * travel, and 3000 to 4999, which libraries and applications share.
 */
export function isValidReceivedCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
