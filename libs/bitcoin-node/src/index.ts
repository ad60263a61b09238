export * from './broadcast-answer.ts';
export * from './node-errors.ts';
export * from './node.ts';
