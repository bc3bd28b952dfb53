import { describe, expect, test } from 'vitest';
import {
  isReloadable,
  optionTable,
  reloadSettings,
  resolveOptions,
  type ServerOptions,
} from '../../../src/options.js';

const reload = (before: ServerOptions, after: ServerOptions) =>
  reloadSettings(resolveOptions(before), resolveOptions(after));

/** For every option, one value that is not its default, with what it needs beside it. */
const OTHER: Readonly<Record<string, ServerOptions>> = {
  host: { host: '127.0.0.1' },
  port: { port: 1 },
  masters: { masters: { mydb: {} } },
  token: { token: 'sesame' },
  allowAnonymous: { allowAnonymous: true },
  databases: { databases: ['mydb'] },
  adminToken: { adminToken: 'sesame' },
  allowedOrigins: { allowedOrigins: ['https://app.example'] },
  allowedHosts: { allowedHosts: ['app.example'] },
  largeMessages: { largeMessages: 'http' },
  watchProcesses: { watchProcesses: false },
  handshakeTimeout: { handshakeTimeout: 4_999 },
  lease: { lease: 7_999 },
  logLevel: { logLevel: 'warn' },
  logFormat: { logFormat: 'json' },
};

describe('a reload of options', () => {
  test.each(optionTable().filter(({ name }) => !/^ssl\.|^tokenFile$/.test(name)))(
    'takes over $name, or says that it needs a restart',
    ({ name, default: preset }) => {
      const other = OTHER[name] ?? { [name]: Number(preset) + 1 };
      const { settings, changed, needRestart } = reload({}, other);
      const next = resolveOptions(other);
      const own = name === 'token' ? 'tokens' : (name as keyof typeof settings);
      expect(isReloadable(name) ? changed : needRestart).toContain(name);
      expect(settings[own]).toEqual(isReloadable(name) ? next[own] : resolveOptions()[own]);
      // A single token is the admin token, too.
      expect([...changed, ...needRestart].filter((it) => it !== name && it !== 'adminToken')).toEqual([]);
    },
  );

  test('changes nothing where nothing has changed', () => {
    const options = { token: ['a-token', 'b-token'], ssl: { certPath: 'c', keyPath: 'k' } };
    expect(reload(options, options)).toMatchObject({ changed: [], needRestart: [] });
  });

  test('takes over other certificates, but not whether there is TLS', () => {
    const ssl = { certPath: 'c', keyPath: 'k' };
    const renewed = reload({ ssl }, { ssl: { ...ssl, certPath: 'd' } });
    expect(renewed).toMatchObject({ changed: ['ssl.certPath'], settings: { ssl: { certPath: 'd' } } });
    const added = reload({}, { ssl });
    expect(added).toMatchObject({ changed: [], needRestart: ['ssl.certPath', 'ssl.keyPath'] });
    expect(added.settings.ssl).toBeUndefined();
    expect(reload({ ssl }, {}).settings.ssl).toMatchObject(ssl);
    const asked = reload({ ssl }, { ssl: { ...ssl, certPath: 'd', caPath: 'a' } });
    expect(asked).toMatchObject({ changed: ['ssl.certPath'], needRestart: ['ssl.caPath'] });
    expect(asked.settings.ssl).toMatchObject({ certPath: 'd', caPath: undefined });
  });

  test('leaves no server open to all whose host stays what it was', () => {
    const open = () => reload({ host: '0.0.0.0', token: 'sesame' }, { host: 'localhost' });
    expect(open).toThrow(expect.objectContaining({ code: 'IPC_OPTION_INSECURE' }));
  });
});
