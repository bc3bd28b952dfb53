import type { DatabaseStatus, Status } from '../../src/server/monitoring/status.js';
import { eventually } from './waiting.js';

/** What `GET /status` says. */
export async function statusOf(port: number, token?: string): Promise<Status> {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(`http://127.0.0.1:${port}/status`, { headers });
  if (response.status !== 200) throw new Error(`GET /status answered with ${response.status}`);
  return (await response.json()) as Status;
}

/** The status of that database, once it is as wanted. */
export function untilStatus(
  port: number,
  name: string,
  fits: (database: DatabaseStatus) => boolean,
  token?: string,
): Promise<DatabaseStatus> {
  return eventually(async () => {
    const { databases } = await statusOf(port, token);
    const database = databases.find((each) => each.name === name);
    return database !== undefined && fits(database) ? database : undefined;
  });
}

/** Server-sent events of a response, one by one, parsed. */
export async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: Status }> {
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [event = '', data = ''] = text.slice(0, end).split('\ndata: ');
      text = text.slice(end + 2);
      yield { event: event.replace('event: ', ''), data: JSON.parse(data) as Status };
    }
  }
}
