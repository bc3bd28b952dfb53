/** Where the server is, and what is shown to it. */

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { IPCConfig, TlsOptions } from './acebase.js';
import type { Target } from './connection.js';

/** How the token is shown: in a header, where logs do not have it; or, to servers that know no other way, in the URL. */
export type TokenPlace = 'header' | 'url';

/** What is asked of the server: an endpoint of the database, and parameters. */
export interface Ask {
  readonly endpoint: 'connect' | 'send' | 'receive';
  readonly parameters: Readonly<Record<string, string>>;
  readonly tokenPlace: TokenPlace;
}

/** A server's answer that is not 200. */
export class HttpRefusal extends Error {
  readonly status: number;

  /** @param answer the body: of this package's servers, JSON with code, message and remedy */
  constructor(status: number, answer: string) {
    super(`the server answered with ${status}: ${answer.slice(0, 500)}`);
    this.status = status;
  }
}

/** The URL and the options of a WebSocket connection. */
export function webSocketTarget(config: IPCConfig, ask: Ask): Target {
  const { url, headers } = locate(config, ask);
  return { url: url.replace(/^http/, 'ws'), options: { headers, ...tlsOf(config) } };
}

/**
 * Sends or fetches a message that is too long for the WebSocket (docs/PROTOCOL.md, sections 4 and 14).
 *
 * @returns the body of the answer
 * @throws {HttpRefusal} if the answer is not 200
 * @throws Error if there is none
 */
export function overHttp(config: IPCConfig, ask: Ask, body?: string): Promise<string> {
  const { url, headers } = locate(config, ask);
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const options = {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...headers, 'Content-Type': 'application/json', ...length },
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
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Where the server is, for people to read. */
export function describe({ url, host = 'localhost', port }: IPCConfig): string {
  return url === undefined ? `${host}:${port}` : url.replace(/[?#].*$/, '').replace(/\/\/[^/]*@/, '//');
}

function locate(config: IPCConfig, { endpoint, parameters, tokenPlace }: Ask) {
  const { url, host = 'localhost', port, ssl, dbname, token } = config;
  const scheme = ssl === undefined || ssl === false ? 'http' : 'https';
  const bare = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  const base = url?.replace(/^ws/, 'http').replace(/\/+$/, '') ?? `${scheme}://${bare}:${port}`;
  // As stock clients write them: there is nothing in these values that needs an escape [PROTOCOL-2.1, 14.1].
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  const inHeader = tokenPlace === 'header';
  // Last, and as it is: servers take what follows `t=` to the end [PROTOCOL-2.4].
  const query = inHeader ? pairs : [...pairs, `t=${token}`];
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
