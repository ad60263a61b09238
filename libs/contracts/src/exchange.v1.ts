export * from './generated/finality/exchange/v1/cash_service.ts';
export * from './generated/finality/exchange/v1/exchange_events.ts';
export * from './generated/finality/exchange/v1/exchange_service.ts';
export * from './generated/finality/exchange/v1/money.ts';
