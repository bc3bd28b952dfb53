import { Flood } from './flood.js';
import { repeated, textFrame } from './frames.js';
import { Line } from './line.js';
import type { Load, LoadResult, LoadSpec } from './load.js';
import { inParallel, sourceAddress } from './many-lines.js';
import { directed, eventMessage, peerIdOf } from './messages.js';

type PairSpec = Extract<LoadSpec, { kind: 'pairs' }>;

/** Peers of many databases, each of which writes to its neighbour. */
export class PairLoad implements Load {
  readonly #lines: readonly Line[];
  readonly #floods: readonly Flood[];

  private constructor(lines: readonly Line[], floods: readonly Flood[]) {
    this.#lines = lines;
    this.#floods = floods;
  }

  static async open(spec: PairSpec, port: number): Promise<PairLoad> {
    const peers = spec.databases * spec.peersEach;
    const lines: Line[] = [];
    await inParallel(peers, async (number) => {
      lines[number] = await Line.open({
        port,
        database: `bench${Math.floor(number / spec.peersEach)}_data`,
        id: peerIdOf(number % spec.peersEach),
        localAddress: sourceAddress(number),
      });
    });
    // Everybody has met everybody when the last has come; only then do messages count.
    for (const line of lines) await line.settled();
    const inFlight = Math.max(1, Math.floor(spec.inFlight / peers));
    return new PairLoad(
      lines,
      lines.map((line, number) => floodOf(line, lines, number, spec, inFlight)),
    );
  }

  async run(milliseconds: number): Promise<LoadResult> {
    const begin = performance.now();
    const results = await Promise.all(this.#floods.map((flood) => flood.run(milliseconds)));
    return {
      messages: results.reduce((total, { messages }) => total + messages, 0),
      seconds: (performance.now() - begin) / 1000,
    };
  }

  end(): void {
    for (const line of this.#lines) line.end();
  }
}

function floodOf(
  sender: Line,
  lines: readonly Line[],
  number: number,
  spec: PairSpec,
  inFlight: number,
): Flood {
  const place = number % spec.peersEach;
  const next = (place + 1) % spec.peersEach;
  const receiver = lines[number - place + next] as Line;
  const [from, to] = [peerIdOf(place), peerIdOf(next)];
  const frame = textFrame(directed(to, eventMessage(from, to, spec.bytes)));
  const prepared = repeated(frame, inFlight);
  const send = (count: number): void => sender.write(prepared.subarray(0, count * frame.length));
  const flood = new Flood({ inFlight, receivers: 1, send });
  let arrived = 0;
  receiver.onText = () => {
    arrived++;
  };
  receiver.onRead = () => {
    if (arrived > 0) flood.delivered(arrived);
    arrived = 0;
  };
  return flood;
}
