export * from './generated/finality/address/v1/address_events.ts';
export * from './generated/finality/address/v1/address_service.ts';
export * from './generated/finality/address/v1/destination_service.ts';
