import { Socket } from 'node:net';

/**
 * What is written in one turn of the event loop leaves in one piece: one system call, and one wake-up of the server, instead of one for each statement.
 * The driver corks its socket for each statement; here that lasts until the turn ends.
 */
export class TurnSocket extends Socket {
  #isHeld = false;

  override cork(): void {
    super.cork();
    if (this.#isHeld) return;
    this.#isHeld = true;
    super.cork();
    process.nextTick(() => {
      this.#isHeld = false;
      this.uncork();
    });
  }
}
