/** Requests to a server whose certificate is looked at elsewhere; a token is for none but one that is good. */

import { type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';

/** How long a server may take to answer, in milliseconds; a stock client crashes after 5 s. */
const ANSWER_MS = 5_000;

/** How much of an answer is read. */
const ANSWER_BYTES = 1_048_576;

/** An answer. */
export interface Answer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Milliseconds since 1970 when it was asked, and when the answer began. */
  readonly askedAt: number;
  readonly answeredAt: number;
}

/** Asks, by the wall clock that it is given. @throws Error of the line, or if nobody answers within 5 s */
export type Inquiry = (url: URL, headers?: Readonly<Record<string, string>>) => Promise<Answer>;

/** @param wallTime milliseconds since 1970 */
export function inquiry(wallTime: () => number): Inquiry {
  return async (url, headers = {}) => {
    const askedAt = wallTime();
    const options = { headers, agent: false, timeout: ANSWER_MS } as const;
    const request =
      url.protocol === 'https:'
        ? tlsRequest(url, { ...options, rejectUnauthorized: 'Authorization' in headers })
        : plainRequest(url, options);
    const response = await responseTo(request);
    const answeredAt = wallTime();
    const { statusCode: status = 0, headers: answered } = response;
    return { status, headers: answered, body: await bodyOf(response), askedAt, answeredAt };
  };
}

function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    // A server that lets an upgrade pass has answered, too; nothing is said on that line.
    request.once('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response);
    });
    request.once('timeout', () => request.destroy(new Error(`no answer within ${ANSWER_MS / 1_000} s`)));
    request.on('error', reject);
    request.end();
  });
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  if (response.statusCode === 101) return '';
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) {
    body += String(chunk);
    if (body.length > ANSWER_BYTES) break;
  }
  response.destroy();
  return body;
}
