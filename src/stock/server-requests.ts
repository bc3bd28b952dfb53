import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';

/** Which server, as in the `ipc` settings of AceBase. */
export interface ServerPlace {
  readonly host?: string | undefined;
  readonly port: number;
  readonly ssl?: boolean | object | undefined;
  readonly token?: string | undefined;
}

/** An answer. */
export interface ServerAnswer {
  readonly status: number;
  readonly body: string;
}

/** The address of an endpoint. The host may be an address of IPv6, with brackets or without. */
export function endpoint({ host = 'localhost', port, ssl }: ServerPlace, path: string): string {
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return `http${ssl === undefined || ssl === false ? '' : 's'}://${bracketed}:${port}${path}`;
}

/** Asks the server, on a connection of its own. @throws Error of the connection, or if nobody answers in time */
export function askServer(place: ServerPlace, path: string, timeout: number): Promise<ServerAnswer> {
  const { ssl, token } = place;
  const url = endpoint(place, path);
  const options = {
    ...(typeof ssl === 'object' ? ssl : {}),
    headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    agent: false,
    timeout,
  };
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? tlsRequest : plainRequest)(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
    request.end();
  });
}
