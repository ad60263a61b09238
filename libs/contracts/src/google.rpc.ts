export * from './generated/google/rpc/code.ts';
export * from './generated/google/rpc/error_details.ts';
export * from './generated/google/rpc/status.ts';
