/** Why a fact can't be added as things stand. Look at the chain again: each of them passes. */
export type ChainRefusal =
  /** The block doesn't follow our tip: another step, or another process, was faster. */
  | { readonly reason: 'NOT_AT_TIP'; readonly message: string }
  /** What the second node has agreed to, or our chain, has moved on. */
  | { readonly reason: 'NOT_AGREED_UPON'; readonly message: string }
  /** It touches scripts that have only just become watched: what it spends hasn't been looked up. */
  | { readonly reason: 'PREVOUTS_NOT_LOOKED_UP'; readonly message: string };
