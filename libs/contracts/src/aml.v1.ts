export * from './generated/finality/aml/v1/aml_events.ts';
export * from './generated/finality/aml/v1/aml_service.ts';
