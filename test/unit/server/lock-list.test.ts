import { expect, it } from 'vitest';
import { BrokerLab } from '../../support/broker-lab.js';

it('what a worker says of a lock is cut: it may be some thousand characters, and is put together each second', () => {
  const lab = new BrokerLab({ maxPayload: 100_000 });
  lab.connectMaster();
  const worker = lab.connect('peerA');
  const data = { path: 'p'.repeat(3_000), tid: 't', write: true, comment: 'c'.repeat(1_000) };
  worker.tells({ type: 'lock-request', id: 'x', data }, '[master]');
  const { held } = lab.overview.locks('mydb_data');
  expect(held).toMatchObject([{ path: `${'p'.repeat(1_000)}…`, comment: 'c'.repeat(1_000) }]);
});
