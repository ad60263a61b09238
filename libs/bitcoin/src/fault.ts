/**
 * Why something from outside isn't acceptable. `reason` is stable and for programs, `message` says what was expected and what was
 * found. Nothing in this library depends on time or other systems: the same input fails again.
 */
export interface Fault<Reason extends string> {
  readonly reason: Reason;
  readonly message: string;
}

export const fault = <Reason extends string>(reason: Reason, message: string): Fault<Reason> => ({ reason, message });
