import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type RawResponse, RawSocket, upgradeRequest } from './raw-socket.js';

type Headers = Readonly<Record<string, string>>;

/** The answer to an upgrade request: 101 if it is let in. */
export async function knock(port: number, path: string, headers: Headers = {}): Promise<RawResponse> {
  const socket = await RawSocket.connect({ port });
  socket.send(upgradeRequest({ path, headers }));
  return socket.response();
}

/** The answer to a plain request; unlike `fetch`, it lets the test choose `Host` and `Origin`. */
export async function get(
  port: number,
  path: string,
  headers: Headers = {},
  method = 'GET',
): Promise<RawResponse> {
  const request = httpRequest({ port, host: '127.0.0.1', path, method, headers, agent: false }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const text of response.setEncoding('utf8')) body += text;
  return { status: response.statusCode ?? 0, headers: response.headers as Record<string, string>, body };
}
