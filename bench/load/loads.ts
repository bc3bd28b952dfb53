/** What a generator can do to a server. */

import { Flood } from './flood.js';
import { repeated } from './frames.js';
import { IdlePeers } from './idle-peers.js';
import type { Load, LoadSpec } from './load.js';
import { LockLoad } from './lock-load.js';
import { peerIdOf } from './messages.js';
import { PairLoad } from './pair-load.js';
import { RateLoad } from './rate-load.js';
import { StormLoad } from './storm-load.js';
import { WIRES, type WireLine, type WireName } from './wire.js';

/** Opens the connections of a load. */
export function openLoad(spec: LoadSpec, port: number, wire: WireName): Promise<Load> {
  switch (spec.kind) {
    case 'directed':
      return openDirected(spec, port, wire);
    case 'broadcast':
      return openBroadcast(spec, port, wire);
    case 'locks':
      return LockLoad.open(spec, port);
    case 'pairs':
      return PairLoad.open(spec, port);
    case 'idle':
      return IdlePeers.open(spec, port);
    case 'storm':
      return Promise.resolve(new StormLoad(spec, port));
    case 'rate':
      return RateLoad.open(spec, port);
  }
}

type SpecOf<Kind extends LoadSpec['kind']> = Extract<LoadSpec, { kind: Kind }>;

async function openDirected(spec: SpecOf<'directed'>, port: number, wire: WireName): Promise<Load> {
  const [from, to] = [peerIdOf(0), peerIdOf(1)];
  const sender = await WIRES[wire].open({ port, database: 'bench_data', id: from });
  const receiver = await WIRES[wire].open({ port, database: 'bench_data', id: to });
  const message = WIRES[wire].directed(from, to, spec.bytes);
  return flood(sender, [receiver], message, spec.inFlight);
}

async function openBroadcast(spec: SpecOf<'broadcast'>, port: number, wire: WireName): Promise<Load> {
  const sender = await WIRES[wire].open({ port, database: 'bench_data', id: peerIdOf(0) });
  const receivers: WireLine[] = [];
  for (let number = 1; number <= spec.receivers; number++) {
    receivers.push(await WIRES[wire].open({ port, database: 'bench_data', id: peerIdOf(number) }));
  }
  return flood(sender, receivers, WIRES[wire].broadcast(peerIdOf(0), spec.bytes), spec.inFlight);
}

/** One sender sends the same message again and again. */
async function flood(
  sender: WireLine,
  receivers: readonly WireLine[],
  message: Buffer,
  inFlight: number,
): Promise<Load> {
  for (const line of [sender, ...receivers]) await line.settled();
  const prepared = repeated(message, inFlight);
  const running = new Flood({
    inFlight,
    receivers: receivers.length,
    send: (count) => sender.write(prepared.subarray(0, count * message.length)),
  });
  for (const line of receivers) {
    let arrived = 0;
    line.onText = () => {
      arrived++;
    };
    line.onRead = () => {
      running.delivered(arrived);
      arrived = 0;
    };
  }
  return {
    run: (milliseconds) => running.run(milliseconds),
    end: () => {
      for (const line of [sender, ...receivers]) line.end();
    },
  };
}
