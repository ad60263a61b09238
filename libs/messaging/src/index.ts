export type * from './port.ts';
export { ParkedKeys, type ParkedKey } from '@finality/event-store';
export * from './command.ts';
export * from './consumer-worker.ts';
export * from './event-transport.ts';
export * from './permuting.driver.ts';
export * from './postgres.driver.ts';
export * from './kafka/index.ts';
