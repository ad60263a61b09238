export type * from './port.ts';
export * from './bench.ts';
export * from './binary-arrays.ts';
export * from './envelope.ts';
export { epochFloor } from './epoch.ts';
export * from './errors.ts';
export * from './faults.ts';
export * from './hash-chain.ts';
export { countKept, freeKeys, KEYS_KEPT_DAYS_MIN } from './kept-keys.ts';
export * from './leases.ts';
export * from './migrations.ts';
export * from './parked.ts';
export {
  lockedTransaction,
  pgTypes,
  poolQuery,
  quoteIdentifier,
  quoteLiteral,
  readTransaction,
  TIMEOUTS_DEFAULT,
  type TransactionTimeouts,
} from './session.ts';
export * from './reader.ts';
export * from './rebuild.ts';
export * from './store.ts';
export * from './timers.ts';
export * from './verify.ts';
export { NotTheWriter, Writer, WRITER_LEASE, type WriterOptions } from './writer.ts';
export { notifyChannel } from './transaction.ts';
export { type MessageDraft, streamOf } from './batch.ts';
