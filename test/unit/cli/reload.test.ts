import { describe, expect, test } from 'vitest';
import { filesOf, reloading } from '../../../src/cli/reload.js';
import { IPCError } from '../../../src/errors.js';
import { type ResolvedSources, resolveOptions, type Settings } from '../../../src/options.js';
import { CollectedLog } from '../../support/collected-log.js';

const resolved = (settings: Settings): ResolvedSources => ({
  settings,
  warnings: [],
  places: new Map(),
  config: 'config.json',
});

function stage(resolve: () => ResolvedSources, take: (settings: Settings) => void = () => undefined) {
  const log = new CollectedLog();
  const done: unknown[] = [];
  const reload = reloading({
    resolve,
    server: { reloadFromSettings: take },
    logger: log,
    watched: (files) => void done.push(files),
    setLogLevel: (level) => void done.push(level),
  });
  return { log, done, reload };
}

describe('a reload', () => {
  test('takes over what is read, and watches its files', () => {
    const settings = resolveOptions({ ssl: { certPath: 'c', keyPath: 'k' }, logLevel: 'warn' });
    const taken: Settings[] = [];
    const { log, done, reload } = stage(
      () => resolved(settings),
      (it) => void taken.push(it),
    );
    reload('SIGHUP');
    expect(taken).toEqual([settings]);
    expect(done).toEqual(['warn', ['config.json', 'c', 'k']]);
    expect(log.lines).toMatchObject([{ level: 'info', cause: 'SIGHUP' }]);
  });

  test.each(['read', 'taken over'])('says what cannot be %s, why, and what to do', (step) => {
    const fail = (): never => {
      throw new IPCError('IPC_TLS_BAD_CERTIFICATE', 'the key file k does not belong to it');
    };
    const settings = resolveOptions();
    const { log, done, reload } = step === 'read' ? stage(fail) : stage(() => resolved(settings), fail);
    reload('changed files');
    expect(done).toEqual([]);
    expect(log.complaints).toMatchObject([
      {
        level: 'error',
        cause: 'changed files',
        code: 'IPC_TLS_BAD_CERTIFICATE',
        reason: 'the key file k does not belong to it',
        remedy: expect.stringContaining('key belongs to the certificate'),
      },
    ]);
  });
});

test('the files of all options are watched', () => {
  const ssl = { certPath: 'cert', keyPath: 'key', caPath: 'ca' };
  const settings = { ...resolveOptions({ ssl }), tokenFile: 'token' };
  expect(filesOf(settings, undefined)).toEqual(['token', 'cert', 'key', 'ca']);
});
