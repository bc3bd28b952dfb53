/** One event of a stream. */
export interface StreamedEvent {
  /** `message` where the stream names none. */
  readonly event: string;
  readonly data: string;
}

/** An event that is longer is none of ours; nothing is kept of it. */
const MAX_EVENT_LENGTH = 64 * 1024 * 1024;

/**
 * Finds events in the text of a `text/event-stream` (WHATWG HTML, section 9.2.6), in whatever pieces it comes. Ids and
 * `retry` are left out: every event of ours tells everything anew.
 */
export class EventStreamParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #length = 0;
  #endedWithReturn = false;

  /**
   * The events that are complete with this piece.
   *
   * @throws {RangeError} an event is longer than 64 Mi units
   */
  push(text: string): StreamedEvent[] {
    // A line may end with CR, LF or both, and a piece between these two.
    const piece = this.#endedWithReturn && text.startsWith('\n') ? text.slice(1) : text;
    if (text !== '') this.#endedWithReturn = text.endsWith('\r');
    const lines = (this.#rest + piece).split(/\r\n|\r|\n/);
    this.#rest = lines.pop() ?? '';
    const events = lines.flatMap((line) => this.#line(line) ?? []);
    if (this.#rest.length + this.#length > MAX_EVENT_LENGTH) throw new RangeError('The event is too long');
    return events;
  }

  #line(line: string): StreamedEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.#event = value;
    if (field === 'data') {
      this.#data.push(value);
      this.#length += value.length;
    }
    return undefined;
  }

  #dispatch(): StreamedEvent | undefined {
    const found =
      this.#data.length === 0
        ? undefined
        : { event: this.#event === '' ? 'message' : this.#event, data: this.#data.join('\n') };
    this.#event = '';
    this.#data = [];
    this.#length = 0;
    return found;
  }
}
