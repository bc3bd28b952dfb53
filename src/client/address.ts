/** Where the server is, and what is shown to it. */

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { IPCConfig, TlsOptions } from './acebase.js';
import { parseRefusal } from './core/refusals.js';
import { inBrackets } from './ipc-settings.js';
import type { Target } from './web-socket-line.js';

/** How the token is shown: in a header, where logs do not have it; to servers that know no other way, in the URL; or not. */
export type TokenPlace = 'header' | 'url' | 'nowhere';

/** What is asked of the server: an endpoint of the database, and parameters. */
export interface Ask {
  readonly endpoint: 'connect' | 'send' | 'receive' | 'locks';
  readonly parameters: Readonly<Record<string, string>>;
  readonly tokenPlace: TokenPlace;
}

/** A server's answer that is not 200. */
export class HttpRefusal extends Error {
  readonly status: number;
  /** Of this package's servers; `undefined` if something else answered. */
  readonly code: string | undefined;

  /** @param answer the body: of this package's servers, JSON with code, message and remedy */
  constructor(status: number, answer: string) {
    super(`the server answered with ${status}: ${answer.slice(0, 500)}`);
    this.status = status;
    this.code = parseRefusal(answer)?.code;
  }
}

/** The URL and the options of a WebSocket connection. */
export function webSocketTarget(config: IPCConfig, ask: Ask): Target {
  const { url, headers } = locate(config, ask);
  return { url: url.replace(/^http/, 'ws'), options: { headers, ...tlsOf(config) } };
}

/**
 * Asks an endpoint; with a body, by `POST` (docs/PROTOCOL.md, section 4).
 *
 * @param timeoutMs milliseconds without anything from the server; without end, if left out
 * @returns the body of the answer
 * @throws {HttpRefusal} if the answer is not 200
 * @throws Error if there is none
 */
export function overHttp(config: IPCConfig, ask: Ask, body?: string, timeoutMs = 0): Promise<string> {
  const { url, headers } = locate(config, ask);
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const options = {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...headers, 'Content-Type': 'application/json', ...length },
    timeout: timeoutMs,
    ...tlsOf(config),
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        answer += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(answer);
        else reject(new HttpRefusal(response.statusCode ?? 0, answer));
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.end(body);
  });
}

/** How an answer to an upgrade request is waited for. */
export interface AnswerSettings {
  /** Those of the request, beside the token. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** How much of the body is read. */
  readonly bytes: number;
}

/** What is answered to a request for an upgrade that is not let in. @returns undefined if it is, or if nothing is answered in time */
export function upgradeAnswer(
  config: IPCConfig,
  ask: Ask,
  { headers: more, timeoutMs, bytes }: AnswerSettings,
): Promise<{ readonly status: number; readonly body: string } | undefined> {
  const { url, headers } = locate(config, ask);
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve) => {
    const sent = request(url, { headers: { ...headers, ...more }, agent: false, signal, ...tlsOf(config) });
    sent.on('upgrade', (_response, socket) => {
      socket.destroy();
      resolve(undefined);
    });
    sent.on('response', (response) => {
      let body = '';
      const end = (): void => {
        resolve({ status: response.statusCode ?? 0, body });
        sent.destroy();
      };
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
        if (body.length > bytes) end();
      });
      response.on('end', end).on('error', end);
    });
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
}

/** Where the server is, for people to read. */
export function describe({ url, host = 'localhost', port }: IPCConfig): string {
  return url === undefined ? `${host}:${port}` : url.replace(/[?#].*$/, '').replace(/\/\/[^/]*@/, '//');
}

function locate(config: IPCConfig, { endpoint, parameters, tokenPlace }: Ask) {
  const { url, host = 'localhost', port, ssl, dbname, token } = config;
  const scheme = ssl === undefined || ssl === false ? 'http' : 'https';
  const base = url?.replace(/^ws/, 'http').replace(/\/+$/, '') ?? `${scheme}://${inBrackets(host)}:${port}`;
  // As stock clients write them: there is nothing in these values that needs an escape [PROTOCOL-2.1, 14.1].
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  const inHeader = tokenPlace === 'header';
  // Last, and as it is: servers take what follows `t=` to the end [PROTOCOL-2.4].
  const query = tokenPlace === 'url' ? [...pairs, `t=${token}`] : pairs;
  const headers: Record<string, string> =
    inHeader && token !== undefined ? { Authorization: `Bearer ${token}` } : {};
  return { url: `${base}/${dbname}/${endpoint}?${query.join('&')}`, headers };
}

function tlsOf({ ssl }: IPCConfig): Record<string, unknown> {
  if (typeof ssl !== 'object' || ssl === null) return {};
  const { ca, rejectUnauthorized, cert, key } = ssl satisfies TlsOptions;
  const given = { ca, rejectUnauthorized, cert, key };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
