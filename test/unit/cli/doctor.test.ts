import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PeerCertificate } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { judgeCertificate, type ShownCertificate } from '../../../src/cli/doctor/certificate.js';
import { examine } from '../../../src/cli/doctor/doctor.js';
import {
  describeFindings,
  type Finding,
  isAnythingWrong,
  type Subject,
} from '../../../src/cli/doctor/findings.js';
import type { Answer } from '../../../src/cli/doctor/inquiry.js';
import { installedVersions, judgeInstalled } from '../../../src/cli/doctor/installed.js';
import { placeOf, serverUrl } from '../../../src/cli/doctor/place.js';
import { resolveSources } from '../../../src/options.js';
import type { DatabaseStatus } from '../../../src/server/monitoring/status.js';
import { exampleDatabase, exampleMaster, exampleStatus } from '../../support/example-status.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const NOW = Date.parse('2026-06-01T12:00:00Z');

const json = (status: number, body: unknown): Partial<Answer> => ({ status, body: JSON.stringify(body) });
const refusal = (status: number, code: string) => json(status, { code, message: '', remedy: '' });
const MASTER = { id: '[master]', connected: 1, client: 'acebase-ipc-server/2.0.0' };
const WORKER = { ...MASTER, id: 'worker01' };

interface Scene {
  readonly url?: string;
  readonly token?: string;
  readonly health?: Partial<Answer> | Error;
  readonly connect?: Partial<Answer> | Error;
  readonly clients?: Partial<Answer> | Error;
  readonly ready?: Partial<Answer> | Error;
  readonly status?: Partial<Answer> | Error;
  readonly certificate?: ShownCertificate;
  readonly asked?: string[];
  readonly versions?: Readonly<Record<string, string>>;
}

/** What the doctor finds, by subject, of a server that answers so. */
async function findings(scene: Scene): Promise<Partial<Record<Subject, Finding>>> {
  const found = await look(scene);
  expect(new Set(found.map(({ subject }) => subject)).size).toBe(found.length);
  return Object.fromEntries(found.map((finding) => [finding.subject, finding]));
}

/** What the doctor finds, in its order. */
async function look(scene: Scene): Promise<readonly Finding[]> {
  const { url = 'http://localhost:9163', token } = scene;
  const versions: Readonly<Record<string, string>> = scene.versions ?? { acebase: '1.29.13', ws: '8.18.0' };
  const answers: Readonly<Record<string, Partial<Answer> | Error>> = {
    '/health': scene.health ?? json(200, { status: 'ok' }),
    '/ready': scene.ready ?? json(200, { status: 'ready' }),
    '/shop_data/connect': scene.connect ?? refusal(409, 'IPC_REFUSED_VERSION'),
    '/shop_data/clients': scene.clients ?? json(200, [MASTER, WORKER]),
    '/status': scene.status ?? json(200, exampleStatus()),
  };
  const prefix = new URL(url).pathname.replace(/\/$/, '');
  const found = await examine(
    { database: 'shop', url: new URL(url), token, folder: '/srv/shop' },
    {
      ask: async ({ pathname }, sent = {}) => {
        scene.asked?.push(`${pathname} ${sent['Authorization'] ?? '-'}`);
        if (!pathname.startsWith(prefix)) throw new Error(`${pathname} is not below ${prefix}`);
        const answer = answers[pathname.slice(prefix.length)];
        if (answer === undefined || answer instanceof Error) throw answer;
        const headers = { date: new Date(NOW).toUTCString() };
        return { status: 0, headers, body: '', askedAt: NOW, answeredAt: NOW + 10, ...answer };
      },
      certificateOf: async () => scene.certificate ?? Promise.reject(new Error('no TLS')),
      versionOf: (name) => versions[name],
      wallTime: () => NOW,
    },
  );
  // A remedy exactly where something is wrong.
  for (const { status, remedy } of found) {
    expect(remedy !== undefined).toBe(status === 'error' || status === 'warning');
  }
  return found;
}

const GOOD_CERTIFICATE = {
  subject: { CN: 'ipc.example.com' },
  subjectaltname: 'DNS:ipc.example.com, DNS:localhost',
  valid_from: 'Jan 1 00:00:00 2026 GMT',
  valid_to: 'Jan 1 00:00:00 2027 GMT',
} as PeerCertificate;

const systemError = (code: string, message = code) => Object.assign(new Error(message), { code });

describe('the doctor', () => {
  test('warns of a master that is alone', async () => {
    const { clients, master } = await findings({ clients: json(200, [MASTER]) });
    expect(master?.status).toBe('ok');
    expect(clients).toMatchObject({ status: 'warning', message: expect.stringContaining('no worker') });
  });

  test('finds a cluster well', async () => {
    const found = await findings({});
    const { certificate, ...others } = found;
    expect(certificate?.status).toBe('skipped');
    expect(Object.values(others).filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(isAnythingWrong(Object.values(found))).toBe(false);
  });

  test.each([
    ['http://localhost:9163', systemError('ECONNREFUSED'), /Start the server/],
    ['http://nobody.invalid:9163', systemError('ENOTFOUND'), /name nobody\.invalid is not known/],
    [
      'https://localhost:9163',
      systemError('EPROTO', 'ssl3_get_record:wrong version number'),
      /does not speak TLS: use http:\/\/ in --url/,
    ],
    ['http://localhost:9163', systemError('ECONNRESET', 'socket hang up'), /may speak TLS/],
    [
      'https://localhost:9163',
      systemError('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'),
      /client certificate/,
    ],
    ['http://localhost:9163', json(200, { hello: 1 }), /Another program/],
    ['http://localhost:9163', refusal(421, 'IPC_REFUSED_HOST'), /allowedHosts/],
    ['http://localhost:9163', json(400, 'plain HTTP request sent to HTTPS port'), /TLS/],
  ])('%s: what keeps a server from answering, %#', async (url, health, remedy) => {
    const found = await findings({ url, health });
    expect(found.server).toMatchObject({ status: 'error', remedy: expect.stringMatching(remedy) });
    for (const subject of ['websocket', 'token', 'master', 'clients', 'status', 'clock'] as const) {
      expect(found[subject]?.status).toBe('skipped');
    }
    // A person reads it: words, where there are some.
    expect(found.server?.message).not.toMatch(/ECONN|ENOTFOUND|EPROTO/);
    // What is here can be looked at all the same.
    expect(found.acebase?.status).toBe('ok');
  });

  test.each([
    [refusal(403, 'IPC_REFUSED_TOKEN'), undefined, 'token', /--token-file/],
    [refusal(403, 'IPC_REFUSED_TOKEN'), 'sesame', 'token', /was given for this database/],
    [refusal(403, 'IPC_REFUSED_DATABASE'), undefined, 'token', /`databases`/],
    [refusal(426, 'IPC_REFUSED_NO_UPGRADE'), undefined, 'websocket', /Upgrade and Connection/],
    [json(502, 'Bad Gateway'), undefined, 'websocket', /Upgrade and Connection/],
    [new Error('no answer within 5 s'), undefined, 'websocket', /at once/],
  ] as const)('what keeps a worker out, %#', async (connect, token, subject, remedy) => {
    const found = await findings({ connect, ...(token === undefined ? {} : { token }) });
    expect(found[subject]).toMatchObject({ status: 'error', remedy: expect.stringMatching(remedy) });
    expect(JSON.stringify(found)).not.toContain('sesame');
  });

  test('that nobody is let in at the moment is no error', async () => {
    const found = await findings({ connect: refusal(503, 'IPC_REFUSED_DRAINING') });
    expect(found.token?.status).toBe('warning');
  });

  test('warns of a server that drains', async () => {
    const { server } = await findings({ ready: json(503, { status: 'draining' }) });
    expect(server).toMatchObject({ status: 'warning', message: expect.stringContaining('about to stop') });
  });

  test('shows the token to no server whose certificate is bad', async () => {
    const show = async (problem: string | undefined, token: string | undefined) => {
      const asked: string[] = [];
      const shown = { certificate: GOOD_CERTIFICATE, problem };
      const scene = { url: 'https://ipc.example.com', certificate: shown, asked };
      const found = await findings(token === undefined ? scene : { ...scene, token });
      return { found, asked };
    };
    const bad = await show('SELF_SIGNED_CERT_IN_CHAIN', 'sesame');
    expect(bad.asked).toEqual(['/health -']);
    for (const subject of ['websocket', 'token', 'master', 'clients', 'status'] as const) {
      expect(bad.found[subject]).toMatchObject({
        status: 'skipped',
        message: expect.stringMatching(/token/),
      });
    }
    expect(bad.found.clock?.status).toBe('ok');
    // With nothing to lose, and with a certificate that is good, everything is looked at.
    expect((await show('SELF_SIGNED_CERT_IN_CHAIN', undefined)).found.master?.status).toBe('ok');
    expect((await show(undefined, 'sesame')).asked).toContain('/shop_data/clients Bearer sesame');
  });

  test('misses a master', async () => {
    const worker = { id: 'worker01', connected: 1 };
    const waiting = await findings({ clients: json(200, [worker]) });
    expect(waiting.master).toMatchObject({
      status: 'error',
      message: 'shop has no master, and 1 worker is there',
    });
    const empty = await findings({ clients: json(200, []) });
    expect(empty.master).toMatchObject({ status: 'error', message: 'nobody is connected to shop' });
    expect(empty.clients?.status).toBe('skipped');
  });

  test.each(['http://localhost:9163/ipc', 'https://localhost:9163/some/path/'])(
    'finds a cluster well behind a path: %s',
    async (url) => {
      const shown = { certificate: GOOD_CERTIFICATE, problem: undefined };
      const asked: string[] = [];
      const found = await look({ url, certificate: shown, asked });
      expect(found.filter(({ status }) => status === 'warning' || status === 'error')).toEqual([]);
      expect(found[0]?.message).toBe(`answers at ${url.replace(/\/$/, '')}`);
      expect(asked).toHaveLength(5);
    },
  );

  const problem = (code: string, severity: 'warning' | 'critical' = 'warning') => ({
    code,
    severity,
    since: NOW,
    message: `what ${code} says`,
    remedy: 'What to do.',
  });

  test('reports everything that the server calls a problem', async () => {
    const data = exampleDatabase({ problems: [problem('lock-wait'), problem('lock-held')] });
    const log = exampleDatabase({
      name: 'shop_transaction',
      problems: [problem('mail-near-limit', 'critical')],
    });
    const { server, databases } = exampleStatus(data, log);
    const status = { server: { ...server, problems: [problem('IPC_REFUSED_TOKEN')] }, databases };
    const found = await look({ status: json(200, status) });
    expect(found.filter(({ subject }) => subject === 'status')).toEqual([
      // Workers wait: one that starts here would, too.
      { subject: 'status', status: 'error', message: 'what lock-wait says', remedy: 'What to do.' },
      { subject: 'status', status: 'warning', message: 'what lock-held says', remedy: 'What to do.' },
      { subject: 'status', status: 'error', message: 'what mail-near-limit says', remedy: 'What to do.' },
      { subject: 'status', status: 'warning', message: 'what IPC_REFUSED_TOKEN says', remedy: 'What to do.' },
    ]);
    expect(isAnythingWrong(found)).toBe(true);
  });

  test('says how the master is that the server runs, and whether a worker would find it', async () => {
    const judge = async (
      changes: Parameters<typeof exampleMaster>[0],
      clients: unknown[] = [MASTER, WORKER],
    ) => {
      const status = { ...exampleStatus(), masters: [exampleMaster({ database: 'shop', ...changes })] };
      return look({ status: json(200, status), clients: json(200, clients) });
    };
    const of = (found: readonly Finding[], subject: Subject) =>
      found.filter((each) => each.subject === subject);
    expect(of(await judge({}), 'master')).toMatchObject([
      { status: 'ok', message: expect.stringContaining('shop: the server runs the master itself: serving') },
    ]);
    const failed = await judge(
      { state: 'failed', lastReason: 'no such file', problems: [problem('managed-master-failed')] },
      [WORKER],
    );
    expect(of(failed, 'master')).toMatchObject([
      { status: 'error', message: expect.stringContaining('no such file'), remedy: 'What to do.' },
    ]);
    // Once is enough.
    expect(of(failed, 'status')).toEqual([]);
    const often = await judge({ problems: [problem('managed-master-restarts')] });
    expect(of(often, 'status')).toMatchObject([
      { status: 'warning', message: 'what managed-master-restarts says' },
    ]);
  });

  test('says whether the file is crash-safe, and who keeps no journal', async () => {
    const judge = async (...journals: (DatabaseStatus['journal'] | undefined)[]) => {
      const databases = journals.map((journal, index) =>
        exampleDatabase({ name: `shop${index}`, ...({ journal } as object) }),
      );
      return (await findings({ status: json(200, exampleStatus(...databases)) })).journal;
    };
    const safe = { inForce: true, without: [], withoutCount: 0 };
    const unsafe = { inForce: false, without: ['stock1'], withoutCount: 1 };
    expect(await judge(safe)).toMatchObject({ status: 'ok', message: 'shop0: the file is crash-safe' });
    expect(await judge(safe, unsafe)).toMatchObject({
      status: 'warning',
      message:
        'shop0: the file is crash-safe; shop1: the file is not crash-safe: stock1 is connected, and keeps no journal',
    });
    // A server of an older version.
    expect(await judge(undefined)).toBeUndefined();
  });

  test('warns of a limit of open files below maxConnections', async () => {
    const { server, databases } = exampleStatus();
    const judge = async (limit: number | undefined) => {
      const descriptors = limit === undefined ? null : { used: 30, limit };
      return (await findings({ status: json(200, { server: { ...server, descriptors }, databases }) }))
        .status;
    };
    expect(await judge(1_024)).toMatchObject({
      status: 'warning',
      message:
        'the server may open 1024 files, and each connection is one: that is below maxConnections, 20000',
    });
    expect((await judge(20_000))?.status).toBe('ok');
    expect((await judge(undefined))?.status).toBe('ok');
  });

  test('a warning alone is no reason to say that something is wrong', async () => {
    const status = exampleStatus(exampleDatabase({ problems: [problem('lock-held')] }));
    expect(isAnythingWrong(await look({ status: json(200, status) }))).toBe(false);
  });

  test('says once that there is no master', async () => {
    const status = exampleStatus(exampleDatabase({ problems: [problem('no-master'), problem('slow-peer')] }));
    const found = await look({ status: json(200, status), clients: json(200, [WORKER]) });
    expect(found.filter(({ subject }) => subject === 'status')).toMatchObject([
      { message: 'what slow-peer says' },
    ]);
    // It may have left meanwhile.
    const late = await look({ status: json(200, status) });
    expect(late.filter(({ subject }) => subject === 'status')).toHaveLength(2);
  });

  test.each([
    json(404, {}),
    json(401, {}),
    json(200, { other: 'program' }),
    { status: 200, body: '{' },
    new Error('reset'),
  ])('a server that does not say how it is has no problem that is known, %#', async (status) => {
    expect((await findings({ status })).status?.status).toBe('skipped');
  });

  test('names those that have the stock client', async () => {
    const stock = Array.from({ length: 5 }, (_, index) => ({ id: `worker0${index}`, connected: 1 }));
    const { clients } = await findings({ clients: json(200, [MASTER, ...stock]) });
    expect(clients).toMatchObject({
      status: 'warning',
      message: '5 of 6 have the stock client of AceBase: worker00, worker01, worker02, …',
    });
  });

  test('a server that does not tell who is there is no reason to say that nobody is', async () => {
    const { master, clients } = await findings({ clients: json(404, {}) });
    expect([master?.status, clients?.status]).toEqual(['skipped', 'skipped']);
  });

  test.each([
    [0, 'ok'],
    [-1_500, 'ok'],
    [1_900, 'ok'],
    [-4_000, 'warning'],
    [3_000, 'warning'],
    [-7_000, 'error'],
    [3_600_000, 'error'],
  ])('a server whose clock is %i ms ahead: %s', async (ahead, status) => {
    const headers = { date: new Date(NOW + ahead).toUTCString() };
    const { clock } = await findings({ health: { ...json(200, { status: 'ok' }), headers } });
    expect(clock?.status).toBe(status);
  });
});

describe('a certificate', () => {
  const judge = (
    changed: Partial<PeerCertificate>,
    problem?: string,
    url = 'https://ipc.example.com:9163',
  ) => {
    const certificate = {
      subject: { CN: 'ipc.example.com' },
      subjectaltname: 'DNS:ipc.example.com, IP Address:10.0.0.1',
      valid_from: 'Jan 1 00:00:00 2026 GMT',
      valid_to: 'Jan 1 00:00:00 2027 GMT',
      ...changed,
    } as PeerCertificate;
    return judgeCertificate({ certificate, problem }, new URL(url), NOW);
  };

  test('is good for its names and addresses', () => {
    expect(judge({}).status).toBe('ok');
    expect(judge({}, undefined, 'https://10.0.0.1:9163').status).toBe('ok');
  });

  test.each([
    [judge({ valid_to: 'May 31 00:00:00 2026 GMT' }, 'CERT_HAS_EXPIRED'), 'error', /expired at May 31/],
    [judge({ valid_to: 'Jun 8 00:00:00 2026 GMT' }), 'warning', /expires in 6 days/],
    [judge({ valid_from: 'Jun 8 00:00:00 2026 GMT' }), 'error', /valid only from/],
    [
      judge({}, undefined, 'https://other.example.com'),
      'error',
      /not for other\.example\.com, but for DNS:ipc/,
    ],
    [judge({}, 'SELF_SIGNED_CERT_IN_CHAIN'), 'error', /not trusted here \(SELF_SIGNED_CERT_IN_CHAIN\)/],
  ])('that a process would not take, or not for long, %#', (finding, status, message) => {
    expect(finding).toMatchObject({ status, message: expect.stringMatching(message) });
  });
});

describe('packages', () => {
  test.each([
    [{ acebase: '1.29.13', ws: '8.18.0', 'acebase-server': '1.15.2' }, {}],
    [{ acebase: '1.29.13' }, { ws: 'warning' }],
    [{ acebase: '1.29.13', ws: '6.2.2' }, { ws: 'error' }],
    [{ acebase: '1.11.0', ws: '8.0.0' }, { acebase: 'error' }],
    [{ acebase: '1.28.0', ws: '8.0.0' }, { acebase: 'warning' }],
    [{ acebase: '1.28.1', ws: '8.0.0' }, {}],
    [{ acebase: '1.18.0', 'acebase-core': '1.28.1', ws: '8.0.0' }, { acebase: 'error' }],
    [{ acebase: '1.18.0', 'acebase-core': '1.15.0', ws: '8.0.0' }, { acebase: 'warning' }],
    [{ acebase: '1.25.2', 'acebase-core': '1.28.1', ws: '8.0.0' }, { acebase: 'warning' }],
    [{ acebase: '2.0.0-alpha.1', ws: '8.0.0' }, { acebase: 'warning' }],
    [{ 'acebase-server': '1.15.2', ws: '8.0.0' }, { acebase: 'error' }],
    [{ acebase: '1.29.13', ws: '8.0.0', 'acebase-server': '1.5.1' }, { 'acebase-server': 'error' }],
    [{}, { acebase: 'skipped' }],
  ] as const)('%j', (versions, wrong) => {
    const found = judgeInstalled('/srv/shop', (name) => (versions as Record<string, string>)[name]);
    const bad = found.filter(({ status }) => status !== 'ok').map(({ subject, status }) => [subject, status]);
    expect(Object.fromEntries(bad)).toEqual(wrong);
  });

  test.each([
    ['1.14.0', /, and does not work with the client of this package$/],
    ['1.18.0', /leaves what workers write out of indexes$/],
  ])('acebase %s works with the client, or is said not to', (acebase, message) => {
    const versions: Readonly<Record<string, string>> = { acebase, ws: '8.0.0' };
    const found = judgeInstalled('/srv/shop', (name) => versions[name]);
    expect(found.find(({ subject }) => subject === 'acebase')?.message).toMatch(message);
  });

  test('are found as Node.js finds them, also below acebase-server in a layout without hoisting', async () => {
    const folder = await temporaryDirectory('doctor');
    onTestFinished(() => removeDirectory(folder));
    const install = async (path: string, name: string, version: string): Promise<string> => {
      const home = join(folder, path, 'node_modules', name);
      await mkdir(home, { recursive: true });
      await writeFile(join(home, 'package.json'), JSON.stringify({ name, version }));
      await writeFile(join(home, 'index.js'), '');
      return home;
    };
    await install('', 'ws', '8.1.0');
    await install('shop', 'acebase', '1.29.0');
    await install('shop/node_modules/acebase', 'acebase-core', '1.27.0');
    expect(installedVersions(join(folder, 'shop'))).toEqual({
      acebase: '1.29.0',
      'acebase-core': '1.27.0',
      ws: '8.1.0',
    });

    const server = await install('till/store/a', 'acebase-server', '1.15.2');
    await install('till/store/a', 'acebase', '1.28.3');
    await mkdir(join(folder, 'till/node_modules'));
    await symlink(server, join(folder, 'till/node_modules/acebase-server'));
    expect(installedVersions(join(folder, 'till'))).toMatchObject({
      'acebase-server': '1.15.2',
      acebase: '1.28.3',
    });
    expect(installedVersions(folder)).toEqual({});
  });
});

describe('where the server is', () => {
  const place = (flags: Record<string, string>, environment: Record<string, string> = {}, url?: string) => {
    const all = new Map<string, string | boolean>([...Object.entries(flags), ['--allow-anonymous', true]]);
    const resolved = resolveSources({ flags: all, environment, readFile: () => 'sesame' });
    const { url: found, token } = placeOf({ database: 'shop', url, resolved, environment });
    return [found.origin, token];
  };

  test('may have a path, and space around it', () => {
    const resolved = resolveSources({ flags: new Map(), environment: {} });
    const url = ' wss://ipc.example.com/some/path/\n';
    expect(serverUrl({ url, resolved, environment: {} }).href).toBe('https://ipc.example.com/some/path/');
  });

  test.each(['http://user:secret@localhost', 'http://localhost/?t=secret', 'http://localhost/#secret'])(
    'is said by a URL without secrets, and none is repeated: %s',
    (url) => {
      expect(() => place({}, {}, url)).toThrow(/^--url: leave out user, password and what follows a \? or #/);
      expect(() => place({}, {}, url)).not.toThrow(/secret/);
    },
  );

  test('is said by a URL that begins with its scheme', () =>
    expect(() => place({}, {}, 'localhost:9163')).toThrow(/--url: begin it with http:\/\/ or https:\/\//));

  test('is said by the options of the server, by --url, or by the variables of the processes', () => {
    expect(place({})).toEqual(['http://localhost:9163', undefined]);
    expect(place({ '--host': '::', '--port': '1' })).toEqual(['http://localhost:1', undefined]);
    expect(place({ '--host': '::1', '--token-file': 'token' })).toEqual(['http://[::1]:9163', 'sesame']);
    expect(place({}, {}, 'wss://ipc.example.com:1/')).toEqual(['https://ipc.example.com:1', undefined]);
    const variables = {
      ACEBASE_IPC_HOST: 'ipc',
      ACEBASE_IPC_PORT: '2',
      ACEBASE_IPC_SSL: '1',
      ACEBASE_IPC_TOKEN: 't',
    };
    expect(place({}, variables)).toEqual(['https://ipc:2', 't']);
    expect(place({ '--port': '3' }, variables)).toEqual(['http://localhost:3', 't']);
    expect(place({ '--token': '{"shop_data":"one","wiki":"two"}' })).toEqual([
      'http://localhost:9163',
      'one',
    ]);
    expect(() => place({}, {}, 'ipc.example.com')).toThrow(/--url/);
  });
});

test('findings are told in lines, with what to do below', () => {
  const text = describeFindings([
    { subject: 'ws', status: 'ok', message: 'ws 8' },
    { subject: 'master', status: 'error', message: 'no master', remedy: 'Start it.' },
  ]);
  expect(text).toBe('ok       ws      ws 8\nerror    master  no master\n                 → Start it.');
});

test('findings fit a terminal, and what to do about several in a row is said once', () => {
  const remedy = 'Run it again.';
  const text = describeFindings(
    [
      { subject: 'a', status: 'error', message: 'one is wrong, and so it is', remedy },
      { subject: 'bb', status: 'error', message: 'two', remedy },
      { subject: 'c', status: 'ok', message: 'three' },
      { subject: 'd', status: 'error', message: 'four', remedy },
    ],
    30,
  );
  expect(text.split('\n')).toEqual([
    'error    a   one is wrong, and',
    '             so it is',
    'error    bb  two',
    '             → Run it again.',
    'ok       c   three',
    'error    d   four',
    '             → Run it again.',
  ]);
});
