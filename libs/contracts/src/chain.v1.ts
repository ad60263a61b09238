export * from './generated/finality/chain/v1/chain_events.ts';
