import { expect, test } from 'vitest';
import { parseArguments } from '../../../src/cli/arguments.js';
import { askForPeers, describePeers } from '../../../src/cli/peers.js';

test('the words of `peers` are read, and the flags of the server with them', () => {
  expect(parseArguments(['peers', 'mydb', '--json', '--port', '1'], '0')).toMatchObject({
    kind: 'peers',
    database: 'mydb',
    json: true,
    url: undefined,
    flags: new Map([['--port', '1']]),
  });
  expect(() => parseArguments(['peers'], '0')).toThrow(/database/);
});

test('a table has a column for each fact', () => {
  const row = { database: 'mydb_data', id: '[master]', client: 'stock', since: '2026-01-01T00:00:00.000Z' };
  expect(describePeers([row], 'mydb').split('\n')).toEqual([
    'DATABASE   PEER      CLIENT  CONNECTED',
    'mydb_data  [master]  stock   2026-01-01T00:00:00.000Z',
  ]);
  expect(describePeers([], 'mydb')).toBe('nobody is connected to mydb');
});

test('a server that is not there is named', async () => {
  const settings = { host: 'localhost', port: 1, ssl: undefined, tokens: { kind: 'none' as const } };
  await expect(askForPeers({ database: 'mydb', settings })).rejects.toThrow(
    'no IPC server answers at http://localhost:1/mydb/clients',
  );
});
