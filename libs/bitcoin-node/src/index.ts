export * from './broadcast-answer.ts';
export * from './connect.ts';
export { TEST_ACCEPT_MAX } from './json-rpc-node.ts';
export * from './node-errors.ts';
export * from './node.ts';
