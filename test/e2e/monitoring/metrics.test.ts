import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../../support/cluster.js';
import { get } from '../../support/requests.js';
import { serve } from '../../support/served.js';
import { untilStatus } from '../../support/status.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

/** The value of one sample. */
async function sample(port: number, name: string): Promise<number | undefined> {
  const { status, body } = await get(port, '/metrics', { Authorization: 'Bearer sesame' });
  expect(status).toBe(200);
  const line = body.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

it('shows that a worker was killed while it held a lock, and that it was given back', async () => {
  cluster = await Cluster.start({ reconnectGrace: '1s', watchProcesses: false, token: 'sesame' });
  const [, victim, other] = await cluster.form(2, { token: 'sesame' });
  const { port } = cluster.server;
  const database = 'database="mydb_data"';
  const workers = `acebase_ipc_peers{${database},role="worker",state="connected"}`;
  const recovered = `acebase_ipc_recovered_locks_total{${database}}`;
  const received = `acebase_ipc_received_messages_total{${database},kind="lock-request"}`;
  expect(await sample(port, workers)).toBe(2);
  expect(await sample(port, recovered)).toBe(0);
  expect(await sample(port, 'acebase_ipc_incidents_total{incident="locks-recovered"}')).toBe(0);
  const before = (await sample(port, received)) ?? 0;
  await victim.hold('orders/1');
  expect(await sample(port, received)).toBeGreaterThan(before);
  expect(await sample(port, `acebase_ipc_locks{${database},state="held"}`)).toBe(1);
  const write = other.set('orders/2', 1);
  await untilStatus(port, 'mydb_data', ({ locks }) => locks.waitingCount === 1, 'sesame');
  expect(await sample(port, `acebase_ipc_waiting_lock_requests{${database}}`)).toBe(1);
  expect(await sample(port, `acebase_ipc_oldest_lock_wait_seconds{${database}}`)).toBeGreaterThan(0);
  await victim.kill();
  await write;
  expect(await sample(port, recovered)).toBe(1);
  expect(await sample(port, 'acebase_ipc_incidents_total{incident="locks-recovered"}')).toBe(1);
  expect(await sample(port, workers)).toBe(1);
  const granted = (await sample(port, `acebase_ipc_lock_wait_seconds_count{${database}}`)) ?? 0;
  const quick = (await sample(port, `acebase_ipc_lock_wait_seconds_bucket{${database},le="0.5"}`)) ?? 0;
  expect(granted).toBeGreaterThan(quick);
  expect(await sample(port, `acebase_ipc_lock_hold_seconds_count{${database}}`)).toBeGreaterThan(1);
});

it('shows figures to who has the admin token, and to nobody else', async () => {
  const { port } = await serve({ token: { mydb: 'sesame' }, adminToken: 'boss' });
  const status = async (headers: Record<string, string> = {}, method = 'GET') =>
    (await get(port, '/metrics', headers, method)).status;
  expect(await status({ Authorization: 'Bearer boss' })).toBe(200);
  expect(await status({ Authorization: 'Bearer sesame' })).toBe(401);
  expect(await status()).toBe(401);
  expect(await status({ Authorization: 'Bearer boss' }, 'POST')).toBe(405);
  expect(await status({ Authorization: 'Bearer boss', 'Sec-Fetch-Site': 'cross-site' })).toBe(403);
  const refused = await get(port, '/metrics', { Authorization: 'Bearer boss' });
  expect(refused.body).toContain('acebase_ipc_refusals_total{code="IPC_HTTP_UNAUTHORIZED"} 2');
  const open = await serve();
  const answer = await get(open.port, '/metrics');
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  const several = await serve({ token: ['one', 'two'] });
  expect((await get(several.port, '/metrics?t=one')).status).toBe(401);
});
