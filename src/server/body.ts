import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';

/** What became of a body. */
export type BodyResult =
  | { readonly outcome: 'complete'; readonly body: Uint8Array }
  | { readonly outcome: 'too-large' | 'too-busy' | 'aborted' };

/** Memory that bodies may take while they arrive, all together. */
export class BodyBudget {
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes bytes of all bodies that are arriving at one time */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes room. @returns false if there is not that much */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/**
 * Reads the body of a request as it arrives, against a limit: no more than `maxBytes` are ever held, and a body that
 * announces more is not read at all.
 */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  budget: BodyBudget,
): Promise<BodyResult> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return { outcome: 'too-large' };
  const chunks: Uint8Array[] = [];
  let taken = 0;
  try {
    for await (const chunk of (request as Readable).iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer;
      if (taken + bytes.length > maxBytes) return { outcome: 'too-large' };
      if (!budget.take(bytes.length)) return { outcome: 'too-busy' };
      taken += bytes.length;
      chunks.push(bytes);
    }
    return { outcome: 'complete', body: Buffer.concat(chunks) };
  } catch (error) {
    if (request.destroyed) return { outcome: 'aborted' };
    throw error;
  } finally {
    budget.give(taken);
  }
}
