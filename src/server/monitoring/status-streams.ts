import type { Cancel, Clock } from '../../broker/ports.js';
import type { StatusBoard } from './status.js';

/** How many may watch at one time. */
export const MAX_STATUS_STREAMS = 32;

/** How many of them may come from one address. */
export const MAX_STATUS_STREAMS_OF_ONE = 8;

/** How many of them are kept for the admin token. */
export const ADMIN_STATUS_STREAMS = 8;

/** Somebody who wants to watch. */
export interface Viewer {
  /** Where he connects from, without the port. */
  readonly address: string;
  /** Whether he has the admin token. */
  readonly isAdmin: boolean;
  sees(database: string): boolean;
}

/** Milliseconds between two events. */
const INTERVAL_MS = 1_000;

/** What streams work with. */
export interface StatusStreamsSettings {
  readonly clock: Pick<Clock, 'schedule'>;
  /** Looks at everything once, for all who watch. */
  look(): StatusBoard;
}

interface Stream {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  readonly viewer: Viewer;
}

const encoder = new TextEncoder();

/** Those who watch how the server is. Who does not read misses events; nothing is kept for him. */
export class StatusStreams {
  readonly #settings: StatusStreamsSettings;
  readonly #streams = new Set<Stream>();
  #cancel: Cancel | undefined;

  constructor(settings: StatusStreamsSettings) {
    this.#settings = settings;
  }

  /** How many watch. */
  get size(): number {
    return this.#streams.size;
  }

  /**
   * Server-sent events with what that one may see: one at once, then one each second.
   *
   * @returns `undefined` if too many watch already
   */
  open(viewer: Viewer): ReadableStream<Uint8Array> | undefined {
    if (!this.#hasRoomFor(viewer)) return undefined;
    let stream: Stream | undefined;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        stream = { controller, viewer };
        this.#streams.add(stream);
        this.#cancel ??= this.#settings.clock.schedule(INTERVAL_MS, () => this.#tick());
        send(stream, this.#settings.look());
      },
      cancel: () => {
        if (stream !== undefined) this.#streams.delete(stream);
        this.#rest();
      },
    });
  }

  /** Ends all. */
  close(): void {
    for (const { controller } of this.#streams) controller.close();
    this.#streams.clear();
    this.#rest();
  }

  #hasRoomFor({ address, isAdmin }: Viewer): boolean {
    let [ofOne, ofOthers] = [0, 0];
    for (const { viewer } of this.#streams) {
      if (viewer.address === address) ofOne++;
      if (!viewer.isAdmin) ofOthers++;
    }
    if (this.#streams.size >= MAX_STATUS_STREAMS || ofOne >= MAX_STATUS_STREAMS_OF_ONE) return false;
    return isAdmin || ofOthers < MAX_STATUS_STREAMS - ADMIN_STATUS_STREAMS;
  }

  #tick(): void {
    this.#cancel = this.#settings.clock.schedule(INTERVAL_MS, () => this.#tick());
    const board = this.#settings.look();
    for (const stream of this.#streams) send(stream, board);
  }

  #rest(): void {
    if (this.#streams.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

function send({ controller, viewer }: Stream, board: StatusBoard): void {
  if ((controller.desiredSize ?? 0) <= 0) return;
  controller.enqueue(
    encoder.encode(`event: status\ndata: ${board.text((database) => viewer.sees(database))}\n\n`),
  );
}
