import { AceBaseIPCServer, type ServerOptions } from '../../src/index.js';
import { CollectedLog } from './collected-log.js';
import type { LogLine } from './server-process.js';
import { within } from './waiting.js';

/** A server in the process of the test: it starts at once, and takes no processor from those that are tested. */
export class EmbeddedServer {
  readonly #server: AceBaseIPCServer;
  readonly #log = new CollectedLog();

  private constructor(options: ServerOptions) {
    this.#server = new AceBaseIPCServer(
      { host: 'localhost', port: 0, stopTimeout: 0, ...options },
      { logger: this.#log },
    );
  }

  /** Starts the server, on a free port, and resolves when it listens. */
  static async start(options: ServerOptions): Promise<EmbeddedServer> {
    const embedded = new EmbeddedServer(options);
    await embedded.#server.start();
    return embedded;
  }

  get port(): number {
    return this.#server.address?.port ?? 0;
  }

  /** What it has logged so far. */
  get lines(): readonly LogLine[] {
    return this.#log.lines;
  }

  /** The first line of the log that fits, whether it is there already or still to come. */
  line(fits: (line: LogLine) => boolean): Promise<LogLine> {
    const describe = () => `No such line in the log:\n${this.describe()}`;
    return within(60_000, describe, this.#log.line(fits));
  }

  /** For the message of a failing test. */
  describe(): string {
    return this.lines.map((line) => JSON.stringify(line)).join('\n');
  }

  /** Ends all connections, without waiting for anybody. */
  kill(): Promise<void> {
    return this.#server.stop();
  }
}
