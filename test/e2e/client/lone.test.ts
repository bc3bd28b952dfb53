import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const preload = fileURLToPath(new URL('../../support/full-log.cjs', import.meta.url));

let path: string;
const processes: AceBaseProcess[] = [];

beforeEach(async () => {
  path = await temporaryDirectory('lone');
});
afterEach(async () => {
  await Promise.all(processes.splice(0).map((process) => process.kill()));
  await removeDirectory(path);
});

async function open(client: boolean, env: Readonly<Record<string, string>> = {}): Promise<AceBaseProcess> {
  const database = new AceBaseProcess({ name: 'alone', database: 'mydb', path, client, env });
  processes.push(database);
  await database.ready();
  return database;
}

async function killed(database: AceBaseProcess): Promise<void> {
  processes.splice(processes.indexOf(database), 1);
  await database.kill();
}

const failing = (then: 'log' | 'file') => ({
  NODE_OPTIONS: `--require ${preload}`,
  FULL_LOG_FOR: 'too much',
  FULL_LOG_THEN: then,
});

describe('a database that one process has for itself, with the client', () => {
  it('has nothing of a write that cannot be logged, and goes on', async () => {
    const database = await open(true, failing('log'));
    const people = { ann: { name: 'Ann', text: 'a' }, bob: { name: 'Bob', text: 'b' } };
    await database.set('people', people);
    await expect(database.update('people/ann', { name: 'Anna', text: 'too much' })).rejects.toThrow('ENOSPC');
    expect(await database.get('people')).toEqual(people);
    await database.set('people/dora', { name: 'Dora' });
    await killed(database);
    const stock = await open(false);
    expect(await stock.get('people')).toEqual({ ...people, dora: { name: 'Dora' } });
  });

  it('has all of a write that was logged and could not be written, when it is opened next; until then it has nothing', async () => {
    const database = await open(true, failing('file'));
    await database.set('texts', { one: 'x'.repeat(40), two: 'y'.repeat(40) });
    const changed = { one: `too much ${'x'.repeat(31)}`, two: 'z'.repeat(40) };
    await expect(database.update('texts', changed)).rejects.toThrow('IPC_CLIENT_OUTCOME_UNKNOWN');
    await expect(database.get('texts')).rejects.toThrow('IPC_CLIENT_OUTCOME_UNKNOWN');
    await killed(database);
    expect(await (await open(true)).get('texts')).toEqual(changed);
  });

  it('tells of a write when it is done, and of none that failed', async () => {
    const database = await open(true, failing('log'));
    await database.set('people', { ann: { name: 'Ann' }, bob: { name: 'Bob' } });
    const events = await database.subscribe('people', 'child_changed');
    await database.update('people/ann', { name: 'Anna' });
    await expect(database.update('people/bob', { name: 'too much' })).rejects.toThrow('ENOSPC');
    await database.update('people/ann', { name: 'Anne' });
    await events.atLeast(2);
    expect(events.events.map((event) => event.path)).toEqual(['people/ann', 'people/ann']);
  });
});
