/** What a frame says, without what differs between any two runs of one process: numbers of locks and records, texts of errors. */
export class NormalForm {
  readonly #names = new Map<string, string>();
  readonly #self: string;

  /** @param self the id of the process that speaks */
  constructor(self: string) {
    this.#self = self;
  }

  of(frame: string): unknown {
    const brace = frame.indexOf('{');
    const message = JSON.parse(frame.slice(brace)) as Record<string, unknown>;
    // The model numbers its messages.
    delete message['simulated'];
    if (message['from'] === this.#self) message['from'] = 'itself';
    if (typeof message['reason'] === 'string') message['reason'] = 'a reason';
    const data = message['data'] as Record<string, unknown> | undefined;
    const isLock = /lock-re(sult|quest)$/.test(String(message['type']));
    if (isLock && data?.['id'] !== undefined) data['id'] = this.#name('lock', data['id']);
    if (data?.['expires'] !== undefined) data['expires'] = typeof data['expires'];
    if (data?.['allocation'] !== undefined) data['allocation'] = this.#ranges(data['allocation']);
    if (typeof data?.['index'] === 'number' && data['index'] >= 0) {
      data['index'] = this.#name('key', data['index']);
    }
    return { envelope: frame.slice(0, brace), ...message };
  }

  #ranges(allocation: unknown): string[] {
    return (allocation as { pageNr: number; recordNr: number; length: number }[]).map(
      ({ pageNr, recordNr, length }) => `${length} at ${this.#name('record', `${pageNr}:${recordNr}`)}`,
    );
  }

  /** The first lock that is named is `lock 1`, and so on. */
  #name(kind: string, value: unknown): string {
    const key = `${kind} ${value}`;
    const name =
      this.#names.get(key) ??
      `${kind} ${[...this.#names.keys()].filter((it) => it.startsWith(kind)).length + 1}`;
    this.#names.set(key, name);
    return name;
  }
}
