/** What a server has to say to a master first, before that one begins transactions of its own [PROTOCOL-12.3, 14.6]. */
export class FirstWord {
  readonly #inStep: (callback: () => void) => void;
  #isHeard: Promise<void> | undefined;

  /** @param inStep calls when everything was heard that the server had said by now */
  constructor(inStep: (callback: () => void) => void) {
    this.#inStep = inStep;
  }

  /** The server speaks: those who come from now on wait until that was heard. @param heard is called then */
  listen(heard: () => void): void {
    this.#isHeard = new Promise((resolve) => {
      this.#inStep(() => {
        heard();
        resolve();
      });
    });
  }

  /** Resolves when everything was heard; at once if nothing is awaited. */
  async wait(): Promise<void> {
    await this.#isHeard;
  }
}
