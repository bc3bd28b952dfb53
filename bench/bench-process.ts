import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** A process of the bench, and the messages that come from it. It ends with us at the latest. */
export class BenchProcess<Message extends { readonly kind: string }> {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;
  #isEnding = false;

  constructor(name: string, child: ChildProcess) {
    this.#child = child;
    const endWithUs = (): void => void child.kill('SIGKILL');
    process.once('exit', endWithUs);
    this.#ended = once(child, 'exit').then(([code, signal]) => {
      process.off('exit', endWithUs);
      throw new Error(`${name} ended by itself, with ${signal ?? code}`);
    });
    this.#ended.catch(() => undefined);
  }

  /** Its process id. */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('it was not started');
    return this.#child.pid;
  }

  /** The next message of that kind. Rejects if the process ends before. */
  next<Kind extends Message['kind']>(kind: Kind): Promise<Extract<Message, { kind: Kind }>> {
    const message = new Promise<Extract<Message, { kind: Kind }>>((resolve) => {
      const listen = (received: Message): void => {
        if (received.kind !== kind) return;
        this.#child.off('message', listen);
        resolve(received as Extract<Message, { kind: Kind }>);
      };
      this.#child.on('message', listen);
    });
    return Promise.race([message, this.#ended]);
  }

  /** Says something to it. */
  tell(message: string | object): void {
    this.#child.send(message);
  }

  /** Ends it, and resolves when it has ended. */
  async end(): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#child.kill('SIGTERM');
    await this.#ended.catch(() => undefined);
  }
}
