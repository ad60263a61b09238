export * from './generated/finality/institution/v1/institution_events.ts';
export * from './generated/finality/institution/v1/institution_service.ts';
