import { expect, it } from 'vitest';
import { clientFrame } from '../../support/client-frames.js';
import { rawPeer } from '../../support/raw-socket.js';
import { unnoticed } from '../../support/served.js';

const inOwnName = (more: object = {}) => JSON.stringify({ type: 'test', from: 'mallory1', ...more });

const rows: readonly { what: string; text: string; incident: string; isQuiet: boolean }[] = [
  { what: 'an address without an end', text: 'to:answering', incident: 'malformed-frame', isQuiet: false },
  {
    what: 'an address without an end before a message',
    text: `to:answering${inOwnName()}`,
    incident: 'malformed-frame',
    isQuiet: false,
  },
  {
    what: 'an address of a megabyte',
    text: `to:${'a'.repeat(1_048_576)};${inOwnName()}`,
    incident: 'malformed-frame',
    isQuiet: false,
  },
  { what: 'an empty address', text: `to:;${inOwnName()}`, incident: 'malformed-frame', isQuiet: false },
  { what: 'an address and no message', text: 'to:answering;', incident: 'malformed-frame', isQuiet: false },
  { what: 'text that is not JSON', text: 'hello, world', incident: 'malformed-frame', isQuiet: false },
  { what: 'an empty frame', text: '', incident: 'malformed-frame', isQuiet: false },
  { what: 'half a ping', text: 'pin', incident: 'malformed-frame', isQuiet: false },
  { what: 'a list', text: '[1,2,3]', incident: 'malformed-frame', isQuiet: false },
  {
    what: 'what only the server says',
    text: 'disconnect:asking00',
    incident: 'malformed-frame',
    isQuiet: false,
  },
  { what: 'JSON that stops', text: '{"type":"test","fr', incident: 'foreign-from', isQuiet: true },
  { what: 'JSON garbage', text: '{{{{"from":"mallory1"', incident: 'foreign-from', isQuiet: true },
  {
    what: 'JSON without an end to its depth',
    text: `{"type":"test","data":${'['.repeat(500_000)}`,
    incident: 'foreign-from',
    isQuiet: true,
  },
  { what: 'a message in no name', text: '{"type":"test"}', incident: 'foreign-from', isQuiet: true },
  {
    what: 'a message in the name of another',
    text: '{"type":"bye","from":"asking00"}',
    incident: 'foreign-from',
    isQuiet: true,
  },
  {
    what: 'a message to one in the name of the master',
    text: 'to:answering;{"type":"lock-result","from":"[master]","id":"x","ok":true}',
    incident: 'foreign-from',
    isQuiet: true,
  },
  {
    what: 'a message in two names',
    text: '{"type":"test","from":"asking00","from":"mallory1"}',
    incident: 'foreign-from',
    isQuiet: true,
  },
  {
    what: 'a name that is not a top-level one',
    text: '{"type":"test","data":{"from":"mallory1"}}',
    incident: 'foreign-from',
    isQuiet: true,
  },
  {
    what: 'a message to a peer that is not there',
    text: `to:nobody00;${inOwnName()}`,
    incident: 'undeliverable',
    isQuiet: true,
  },
  {
    what: 'a message to the prototype',
    text: `to:__proto__;${inOwnName()}`,
    incident: 'undeliverable',
    isQuiet: true,
  },
  {
    what: 'a request to the master that is not JSON',
    text: 'to:[master];{"type":"lock-request","from":"mallory1",,}',
    incident: 'malformed-frame',
    isQuiet: false,
  },
  {
    what: 'a request to the master that nests too deep',
    text: `to:[master];{"type":"lock-request","from":"mallory1","data":${'['.repeat(500_000)}`,
    incident: 'malformed-frame',
    isQuiet: false,
  },
];

it.each(rows)('passes on nothing of $what', async ({ text, incident, isQuiet }) => {
  await unnoticed({}, async ({ port, log, server, conversation }) => {
    const peer = await rawPeer({ port });
    peer.send(clientFrame(1, text));
    const line = await log.line((it) => it['incident'] === incident);
    // What happens in ordinary use as well must not fill the log of those who do not look for it.
    expect(line['level']).toMatch(isQuiet ? /debug|trace/ : /warn/);
    expect(line).toMatchObject({ database: 'mydb_data', from: 'mallory1' });
    // Nothing that was in the message is in the log.
    expect(JSON.stringify(line).length).toBeLessThan(300);
    expect(server.counters.incidents).toEqual({ [incident]: 1 });
    // It loses its message, not its connection.
    peer.send(clientFrame(1, 'ping'));
    let answer = '';
    while (answer !== 'pong') answer = await peer.text();
    expect(new Set(conversation.overheard)).toEqual(new Set(['connect:mallory1']));
  });
});

it('ignores binary frames', async () => {
  await unnoticed({}, async ({ port, log, conversation }) => {
    const peer = await rawPeer({ port });
    peer.send(clientFrame(2, inOwnName()));
    peer.send(clientFrame(1, 'ping'));
    let answer = '';
    while (answer !== 'pong') answer = await peer.text();
    expect(log.complaints).toEqual([]);
    expect(new Set(conversation.overheard)).toEqual(new Set(['connect:mallory1']));
  });
});

it('writes a line, not thousands, for thousands of bad frames', async () => {
  await unnoticed({}, async ({ port, log, server }) => {
    const peer = await rawPeer({ port });
    const bad = clientFrame(1, 'nonsense');
    peer.send(Buffer.concat([...Array.from({ length: 5_000 }, () => bad), clientFrame(1, 'ping')]));
    let answer = '';
    while (answer !== 'pong') answer = await peer.text();
    expect(server.counters.incidents).toEqual({ 'malformed-frame': 5_000 });
    expect(log.complaints).toHaveLength(1);
  });
});

it('hears a peer in its own name only, over HTTP as well', async () => {
  await unnoticed({}, async ({ port, server, conversation }) => {
    await rawPeer({ port });
    const post = (body: string | Uint8Array<ArrayBuffer>) =>
      fetch(`http://127.0.0.1:${port}/mydb_data/send?id=mallory1`, { method: 'POST', body });
    for (const body of ['{"type":"bye","from":"asking00"}', 'nonsense', new Uint8Array([0x7b, 0xc3, 0x28])]) {
      const response = await post(body);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'IPC_HTTP_BAD_MESSAGE' });
    }
    expect(server.counters.refusals).toEqual({ IPC_HTTP_BAD_MESSAGE: 3 });
    expect(new Set(conversation.overheard)).toEqual(new Set(['connect:mallory1']));
  });
});
